"""The prepared data: one file of uint8 images and labels in three splits, which may be larger than memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from safetensors import SafetensorError

from mnist_vae.console.stage import UserError
from mnist_vae.data.array_file import ArrayKind, ArrayWriter, map_arrays, new_arrays


class Split(NamedTuple):
    """Images (N, 1, H, W) of grey levels 0..255, and the classes 0..9 of them (N,)."""

    images: UInt8[np.ndarray, "N 1 H W"]
    labels: UInt8[np.ndarray, " N"]


class Prepared(NamedTuple):
    """The three splits: `train` and `validation` are the authors' training set, `test` their test set."""

    train: Split
    validation: Split
    test: Split


class Sizes(NamedTuple):
    """How many images each split has."""

    train: int
    validation: int
    test: int


class PreparedWriter:
    """Takes the images and labels of each split, block by block."""

    def __init__(self, arrays: ArrayWriter):
        self._arrays = arrays

    def append(self, name: str, split: Split) -> None:
        """Write the next images and labels of the split of that name."""
        self._arrays.append(f"{name}_images", split.images)
        self._arrays.append(f"{name}_labels", split.labels)


@contextmanager
def new_prepared(path: Path, sizes: Sizes, image_size: int) -> Iterator[PreparedWriter]:
    """A file of prepared data, to be filled in the block.

    It is there at the block's end or not at all. Raises UserError if it cannot be written.
    """
    kinds, byte = {}, np.dtype(np.uint8)
    for name, size in sizes._asdict().items():
        kinds[f"{name}_images"] = ArrayKind(byte, (size, 1, image_size, image_size))
        kinds[f"{name}_labels"] = ArrayKind(byte, (size,))
    with new_arrays(path, kinds) as arrays:
        yield PreparedWriter(arrays)


def load_prepared(path: Path) -> Prepared:
    """The splits in a file, mapped: an image is read when it is used, and takes up no memory of the process's own.

    Raises UserError for a missing, torn or foreign file.
    """
    try:
        arrays = map_arrays(path)
        return Prepared(*(Split(arrays[f"{name}_images"], arrays[f"{name}_labels"]) for name in Prepared._fields))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro`") from None
    except (SafetensorError, OSError, KeyError) as error:
        raise UserError(f"{path} is no file of prepared data ({error}): delete it and run `dvc repro`") from None
