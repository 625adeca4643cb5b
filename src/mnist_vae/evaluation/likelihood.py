"""The likelihood of images under a VAE: bounds on log p(x) by importance sampling, with ever more samples."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from mnist_vae.common.seeds import derived_seed
from mnist_vae.model.autoencoder import Autoencoder
from mnist_vae.model.posterior import GaussianCode

# What is estimated, reported and kept as one. So many images and samples are decoded at once: few enough that a
# processor's caches hold them, whatever the number of samples. The noise is drawn by these blocks, and depends on them.
IMAGES_A_PART = 10
_SAMPLES_A_BLOCK = 50


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
    if model.likelihood.is_binary and not bits:
        return "bernoulli is not a density of grey levels: set binarisation"
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
    places = range(0, len(images), IMAGES_A_PART)
    missing = [first for first in places if first not in parts]
    estimates = _in_threads(
        lambda first: _of_part(model, images[first : first + IMAGES_A_PART], seed, first, samples),
        missing,
        model.device,
    )
    for first in places:
        if first not in parts:
            parts[first] = next(estimates)
        on_part(len(parts[first]))
    return Bounds(numbers_of_samples(samples), np.concatenate([parts[first] for first in places]))


def _in_threads(
    estimate: Callable[[int], Float64[np.ndarray, "n K"]], places: Sequence[int], device: torch.device
) -> Iterator[Float64[np.ndarray, "n K"]]:
    """The estimates in their order. On a CPU each of torch's threads makes some of them, alone.

    Two threads that share each operation wait for each other in all those that are short.
    """
    if device.type != "cpu":
        yield from map(estimate, places)
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            yield from pool.map(estimate, places)
    finally:
        torch.set_num_threads(threads)


@torch.inference_mode()
def _of_part(
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
    reconstruction_error, pixels = model.reconstruction_errors(images, codes), images[0].numel()
    nll = model.likelihood.negative_log_likelihood(reconstruction_error, pixels, model.objective.beta)
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
