"""scikit-learn's bundled digits as IDX files: the data set that needs no network."""

from typing import NamedTuple

import numpy as np

from mnist_vae.common.catalogue import WHITE
from mnist_vae.sources.idx import idx_bytes

_EVERY_FIFTH = 5
_BRIGHTEST = 16


class BundledFile(NamedTuple):
    """A file's name and content."""

    name: str
    content: bytes


def digits_files() -> list[BundledFile]:
    """The four IDX files of the 1,797 digits of 8×8 pixels. Every fifth image is a test image.

    The grey levels 0..16 are scaled to 0..255.

    Source: https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_digits.html
    """
    from sklearn.datasets import load_digits  # takes seconds to import, and only this data set needs it

    pixels, classes = load_digits(return_X_y=True)
    images = np.rint(np.asarray(pixels) * (WHITE / _BRIGHTEST)).astype(np.uint8).reshape(-1, 8, 8)
    labels = np.asarray(classes).astype(np.uint8)
    test = np.arange(len(labels)) % _EVERY_FIFTH == 0
    arrays = {
        "train-images-idx3-ubyte": images[~test],
        "train-labels-idx1-ubyte": labels[~test],
        "t10k-images-idx3-ubyte": images[test],
        "t10k-labels-idx1-ubyte": labels[test],
    }
    return [BundledFile(name, idx_bytes(array)) for name, array in arrays.items()]
