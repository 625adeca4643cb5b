"""scikit-learn's bundled digits as IDX files: the data set that needs no network."""

from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from mnist_vae.sources.idx import idx_bytes

_EVERY_FIFTH = 5


class BundledFile(NamedTuple):
    name: str
    content: bytes


def digits_files() -> list[BundledFile]:
    """The four IDX files of the 1,797 8×8 digits, grey levels 0..16 spread over 0..255, every fifth image for the test.

    Source: https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_digits.html
    """
    from sklearn.datasets import load_digits  # takes seconds to import, and only this data set needs it

    pixels, classes = load_digits(return_X_y=True)
    images = np.rint(np.asarray(pixels) * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
    labels = np.asarray(classes).astype(np.uint8)
    test = np.arange(len(labels)) % _EVERY_FIFTH == 0
    return [*_pair("train", images[~test], labels[~test]), *_pair("t10k", images[test], labels[test])]


def _pair(
    split: str, images: UInt8[np.ndarray, "N 8 8"], labels: UInt8[np.ndarray, " N"]
) -> tuple[BundledFile, BundledFile]:
    return (
        BundledFile(f"{split}-images-idx3-ubyte", idx_bytes(images)),
        BundledFile(f"{split}-labels-idx1-ubyte", idx_bytes(labels)),
    )
