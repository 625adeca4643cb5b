"""The prepared data: one safetensors file of uint8 images and labels in three splits."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from mnist_vae.common.atomic import write_whole
from mnist_vae.console.stage import UserError


class Split(NamedTuple):
    """Images (N, 1, H, W) of grey levels 0..255, and their classes (N,)."""

    images: UInt8[np.ndarray, "N 1 H W"]
    labels: UInt8[np.ndarray, " N"]


class Prepared(NamedTuple):
    """The three splits: `train` and `validation` are the authors' training set, `test` their test set."""

    train: Split
    validation: Split
    test: Split


def save_prepared(prepared: Prepared, path: Path) -> None:
    """Write the splits to a file. Raises UserError if it cannot be written."""
    arrays = {}
    for name, split in prepared._asdict().items():
        arrays |= {f"{name}_images": split.images, f"{name}_labels": split.labels}
    # safetensors writes wrong values, silently, of an array that is not contiguous.
    write_whole(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}), path)


def load_prepared(path: Path) -> Prepared:
    """Read what save_prepared wrote. Raises UserError for a missing, torn or foreign file."""
    try:
        arrays = load_file(path)
        return Prepared(*(Split(arrays[f"{name}_images"], arrays[f"{name}_labels"]) for name in Prepared._fields))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro`") from None
    except (SafetensorError, OSError, KeyError) as error:
        raise UserError(f"{path} is no file of prepared data ({error}): delete it and run `dvc repro`") from None
