"""The likelihood of images under a VAE: bounds on log p(x) by importance sampling, with ever more samples."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from mnist_vae.common.seeds import derived_seed
from mnist_vae.model.autoencoder import Autoencoder
from mnist_vae.model.posterior import GaussianCode

IMAGES_A_PART = 100  # what is estimated, reported and kept as one
# Images and samples that are decoded at once: few enough that a processor's caches hold them, whatever the number of
# samples. The noise is drawn by these blocks, and depends on them.
_IMAGES_A_BLOCK = 10
_SAMPLES_A_BLOCK = 100


class Bounds(NamedTuple):
    """Of each image, lower bounds on log p(x) in nats: with each of these numbers of samples, the first ones of the
    next number.
    """

    samples: tuple[int, ...]
    log_likelihood: Float64[np.ndarray, "N K"]

    def nll(self) -> Float64[np.ndarray, " K"]:
        """The mean negative log-likelihood of the images, with each number of samples."""
        return -self.log_likelihood.mean(axis=0)


def why_no_likelihood(model: Autoencoder, *, bits: bool) -> str | None:
    """What keeps the model from having a likelihood of images; None if it has one."""
    if not model.latent.has_prior:
        return "a plain autoencoder has no prior"
    if model.likelihood.is_of_bits and not bits:
        return "bernoulli is no density of grey levels: set binarisation"
    if model.likelihood.negative_log_likelihood(0.0, 1, model.objective.beta) is None:
        return "its loss implies no likelihood"
    return None


def numbers_of_samples(most: int) -> tuple[int, ...]:
    """1, 10, 100, ... below the greatest number, and that."""
    return (*(10**power for power in range(len(str(most))) if 10**power < most), most)


def estimate_bounds(
    model: Autoencoder,
    images: UInt8[Tensor, "N 1 S S"],
    seed: int,
    samples: int,
    parts: dict[int, Float64[np.ndarray, "n K"]],
    on_part: Callable[[int], None] = lambda _: None,
) -> Bounds:
    """The importance-weighted bounds (Burda et al. 2016, equation 8) of each image, from that many samples at most.

    The noise is a function of the seed and the image's place. Parts of the images that are in `parts` already, by the
    place of their first image, are not estimated again; the others are put there, and `on_part` is told of their sizes.
    Memory does not grow with the number of samples.
    """
    model.eval()
    for first in range(0, len(images), IMAGES_A_PART):
        part = images[first : first + IMAGES_A_PART]
        if first not in parts:
            blocks = range(0, len(part), _IMAGES_A_BLOCK)
            bounds = [_of_block(model, part[i : i + _IMAGES_A_BLOCK], seed, first + i, samples) for i in blocks]
            parts[first] = np.concatenate(bounds)
        on_part(len(part))
    return Bounds(numbers_of_samples(samples), np.concatenate([parts[first] for first in sorted(parts)]))


@torch.inference_mode()
def _of_block(
    model: Autoencoder, images: UInt8[Tensor, "B 1 S S"], seed: int, first: int, samples: int
) -> Float64[np.ndarray, "B K"]:
    code = model.encode(images)
    if not isinstance(code, GaussianCode):
        raise TypeError("a plain autoencoder has no likelihood")
    sizes = _block_sizes(samples)
    wanted, bounds, done = numbers_of_samples(samples), [], 0
    total = torch.full((len(images),), -torch.inf, dtype=torch.float64)  # log Σ weights of the samples so far
    for number, size in enumerate(sizes):
        source = torch.Generator().manual_seed(derived_seed(seed, f"likelihood noise of image {first}", number))
        noise = torch.randn(len(images), size, code.mean.shape[1], generator=source).to(model.device)
        log_weights = _log_weights(model, images, code, noise)
        total = torch.logaddexp(total, torch.logsumexp(log_weights.cpu().double(), dim=1))
        done += size
        if done in wanted:
            bounds.append(total - np.log(done))
    return torch.stack(bounds, dim=1).numpy()


def _log_weights(model: Autoencoder, images: Tensor, code: GaussianCode, noise: Tensor) -> Tensor:
    """Log p(x|z) + log p(z) − log q(z|x) in nats, of each image at each of its codes."""
    codes = code.sample_several(noise)
    distortion, pixels = model.distortions(images, codes), images[0].numel()
    nll = model.likelihood.negative_log_likelihood(distortion, pixels, model.objective.beta)
    if nll is None:
        raise ValueError("the loss implies no likelihood")
    return code.log_ratio(noise, codes) - nll


def _block_sizes(samples: int) -> list[int]:
    """Sizes of blocks of samples, such that each of numbers_of_samples is the end of one."""
    sizes, done = [], 0
    for end in numbers_of_samples(samples):
        while done < end:
            sizes.append(min(_SAMPLES_A_BLOCK, end - done))
            done += sizes[-1]
    return sizes
