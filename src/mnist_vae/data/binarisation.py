"""Bits in the place of grey levels: each pixel is 1 with the probability of its brightness.

Source: Salakhutdinov & Murray 2008, "On the Quantitative Analysis of Deep Belief Networks", section 6.
"""

import numpy as np
from jaxtyping import UInt8

from mnist_vae.common.catalogue import WHITE
from mnist_vae.common.seeds import derived_seed
from mnist_vae.data.prepared import Prepared

_IMAGES_A_BLOCK = 1000  # bounds the memory of drawing; the bits depend on it


def draw_bits(
    images: UInt8[np.ndarray, "N 1 H W"], seed: int, purpose: str, epoch: int = 0
) -> UInt8[np.ndarray, "N 1 H W"]:
    """Each pixel black or white, white with the probability (grey level) / 255.

    The bits are a function of the seed, the purpose, the epoch and the image's place.
    """
    random = np.random.default_rng(derived_seed(seed, f"binarisation of {purpose}", epoch))
    bits = np.empty_like(images)
    for start in range(0, len(images), _IMAGES_A_BLOCK):
        block = images[start : start + _IMAGES_A_BLOCK]
        # A whole number from 0 to 254 is below the grey level with that very probability.
        threshold = random.integers(0, WHITE, block.shape, np.uint8)
        np.multiply(threshold < block, WHITE, out=bits[start : start + _IMAGES_A_BLOCK], casting="unsafe")
    return bits


def binarise(prepared: Prepared, binarisation: str, seed: int) -> Prepared:
    """The splits with the bits that are drawn once: for "fixed" of all images, for "dynamic" of all but the training
    images, whose bits a training draws in each epoch; for others as they are.
    """
    once = {"fixed": ("train", "validation", "test"), "dynamic": ("validation", "test")}.get(binarisation, ())
    splits = prepared._asdict()
    return prepared._replace(
        **{name: splits[name]._replace(images=draw_bits(splits[name].images, seed, name)) for name in once}
    )
