// The networks of a model: their weights from text, and their layers one after the other on Float32Array.
// Inside a network an image lies with its channels last, so that the inner loops run along memory.
"use strict";

function bytesOf(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

const floatsOf = (text) => new Float32Array(bytesOf(text).buffer);

// Each run of black is a 0 and its length.
function imagesOf(text, size) {
  const packed = bytesOf(text), images = [];
  let image = new Uint8Array(size * size), place = 0;
  const put = (level, count) => {
    for (; count > 0; count--) {
      image[place++] = level;
      if (place === image.length) { images.push(image); image = new Uint8Array(size * size); place = 0; }
    }
  };
  for (let i = 0; i < packed.length; i++) packed[i] ? put(packed[i], 1) : put(0, packed[++i]);
  return images;
}

function float16sOf(text) {
  const halves = new Uint16Array(bytesOf(text).buffer), values = new Float32Array(halves.length);
  for (let i = 0; i < values.length; i++) {
    const exponent = (halves[i] >> 10) & 31, fraction = halves[i] & 1023;
    const size = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024);
    values[i] = halves[i] & 0x8000 ? -size : size;
  }
  return values;
}

// Each letter of base64 is six bits with a sign.
function sixBitsOf(text) {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const signed = new Int8Array(128), values = new Int8Array(text.length);
  for (let i = 0; i < 64; i++) signed[letters.charCodeAt(i)] = i < 32 ? i : i - 64;
  for (let i = 0; i < values.length; i++) values[i] = signed[text.charCodeAt(i)];
  return values;
}

// The weights in the order tap, output, input.
function weightsOf(layer) {
  if (layer.float16) return float16sOf(layer.float16);
  const whole = layer.int8 ? new Int8Array(bytesOf(layer.int8).buffer) : sixBitsOf(layer.int6);
  const scale = floatsOf(layer.scale), inputs = layer.input[0], weights = new Float32Array(whole.length);
  for (let i = 0, row = 0; i < whole.length; row = (row + 1) % scale.length)
    for (const end = i + inputs; i < end; i++) weights[i] = whole[i] * scale[row];
  return weights;
}

// For each pixel of the output: where the pixels begin that it is made of, and the weights of each.
function sourcesOf({ kind, input: [inputs, height, width], output: [outputs, rows, columns], taps, stride, padding }) {
  const back = (place, tap) => kind === "transposed_conv" ? (place + padding - tap) / stride : place * stride - padding + tap;
  const inside = (place, side) => Number.isInteger(place) && place >= 0 && place < side;
  const sources = [];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      sources.push(Int32Array.from(taps.flatMap(([down, across], tap) => {
        const y = back(row, down), x = back(column, across);
        return inside(y, height) && inside(x, width) ? [(y * width + x) * inputs, tap * outputs * inputs] : [];
      })));
  return sources;
}

// A linear layer, a convolution or a transposed one: each output is the sum over its sources, and a bias. Four outputs
// at a time, so that each input is read once for four products.
function weightedLayer(layer) {
  const inputs = layer.input[0], outputs = layer.output[0], sources = sourcesOf(layer);
  const weights = weightsOf(layer), bias = floatsOf(layer.bias), result = new Float32Array(sources.length * outputs);
  return (values) => {
    for (let pixel = 0; pixel < sources.length; pixel++) {
      const source = sources[pixel], place = pixel * outputs;
      let output = 0;
      for (; output + 3 < outputs; output += 4) {
        let first = bias[output], second = bias[output + 1], third = bias[output + 2], fourth = bias[output + 3];
        for (let i = 0; i < source.length; i += 2) {
          let w = source[i + 1] + output * inputs;
          for (let from = source[i], end = from + inputs; from < end; from++, w++) {
            const value = values[from];
            first += value * weights[w];
            second += value * weights[w + inputs];
            third += value * weights[w + 2 * inputs];
            fourth += value * weights[w + 3 * inputs];
          }
        }
        result[place + output] = first;
        result[place + output + 1] = second;
        result[place + output + 2] = third;
        result[place + output + 3] = fourth;
      }
      for (; output < outputs; output++) {
        let sum = bias[output];
        for (let i = 0; i < source.length; i += 2)
          for (let from = source[i], end = from + inputs, w = source[i + 1] + output * inputs; from < end; from++, w++)
            sum += values[from] * weights[w];
        result[place + output] = sum;
      }
    }
    return result;
  };
}

// Torch has an image's channels first where a vector becomes an image, or an image a vector.
function reshapeLayer({ input, output }) {
  const flattens = input.length > 1, [channels, height = 1, width = 1] = flattens ? input : output;
  const pixels = height * width, result = new Float32Array(channels * pixels);
  return (values) => {
    for (let channel = 0; channel < channels; channel++)
      for (let pixel = 0; pixel < pixels; pixel++) {
        const first = channel * pixels + pixel, last = pixel * channels + channel;
        if (flattens) result[first] = values[last]; else result[last] = values[first];
      }
    return result;
  };
}

const POINTWISE = {
  relu: () => (value) => value > 0 ? value : 0,
  leaky_relu: ({ slope }) => (value) => value > 0 ? value : slope * value,
  silu: () => (value) => value / (1 + Math.exp(-value)),
  tanh: () => Math.tanh,
  sigmoid: () => (value) => 1 / (1 + Math.exp(-value)),
};

function pointwiseLayer(layer) {
  const compute = POINTWISE[layer.kind](layer);
  return (values) => {
    for (let i = 0; i < values.length; i++) values[i] = compute(values[i]);
    return values;
  };
}

function networkOf(operations) {
  const layers = operations.map((operation) => {
    if (operation.kind in POINTWISE) return pointwiseLayer(operation);
    return operation.kind === "reshape" ? reshapeLayer(operation) : weightedLayer(operation);
  });
  return (values) => layers.reduce((current, layer) => layer(current), Float32Array.from(values));
}

// A model: images are levels 0..255 where they come in, and brightness 0..1 where they go out.
class Model {
  constructor(data) {
    this.latentDim = data.latent_dim;
    this.variational = data.variational;
    this.size = data.size;
    this.scales = [data.input, data.output];
    this.encoder = networkOf(data.encoder);
    this.decoder = networkOf(data.decoder);
  }

  decode(code) {
    const { offset, scale } = this.scales[1];
    return this.decoder(code).map((value) => offset + scale * value);
  }

  // The mean code, and the KL of each latent dimension in nats: none for a plain autoencoder.
  encode(levels) {
    const { offset, scale } = this.scales[0];
    const output = this.encoder(Float32Array.from(levels, (level) => offset + (scale * level) / 255));
    const mean = output.slice(0, this.latentDim);
    if (!this.variational) return { mean, kl: null };
    const kl = mean.map((value, i) => {
      const logVariance = output[this.latentDim + i];
      return 0.5 * (Math.exp(logVariance) + value * value - logVariance - 1);
    });
    return { mean, kl };
  }
}
