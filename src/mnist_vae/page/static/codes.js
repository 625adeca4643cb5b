// Latent codes: paths between two, noise from a seed, distances.
"use strict";

const SMALLEST_SINE = 1e-4; // below it an arc is straight, or its plane undefined

const lerp = (from, to, share) => from.map((value, i) => (1 - share) * value + share * to[i]);

const dot = (one, other) => one.reduce((sum, value, i) => sum + value * other[i], 0);

// Along the arc around the origin; null where no single arc leads from one code to the other.
function slerp(from, to, share) {
  const cosine = dot(from, to) / Math.sqrt(dot(from, from) * dot(to, to));
  if (!Number.isFinite(cosine)) return null;
  const angle = Math.acos(Math.max(-1, Math.min(1, cosine))), sine = Math.sin(angle);
  if (sine < SMALLEST_SINE) return cosine < 0 ? null : lerp(from, to, share);
  const near = Math.sin((1 - share) * angle) / sine, far = Math.sin(share * angle) / sine;
  return from.map((value, i) => near * value + far * to[i]);
}

// Uniform numbers in [0, 1), the same for the same seed everywhere: a 32-bit Weyl sequence through murmur3's mixer.
function uniformSource(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}

// Standard normal numbers (Box and Muller 1958).
function normals(count, seed) {
  const uniform = uniformSource(seed);
  return Float32Array.from({ length: count }, () =>
    Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
}

// A draw from the Gaussian with the mean and covariance of the given codes.
function drawLike(codes, seed) {
  const count = codes.length, noise = normals(count, seed);
  const mean = codes[0].map((_, i) => codes.reduce((sum, code) => sum + code[i], 0) / count);
  return mean.map((middle, i) =>
    middle + codes.reduce((sum, code, k) => sum + (code[i] - middle) * noise[k], 0) / Math.sqrt(count));
}

// The places of the codes that lie nearest, the nearest first.
function nearest(code, codes, count) {
  const distance = codes.map((other) => other.reduce((sum, value, i) => sum + (value - code[i]) ** 2, 0));
  return distance.map((_, i) => i).sort((one, other) => distance[one] - distance[other]).slice(0, count);
}
