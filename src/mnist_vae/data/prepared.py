"""The prepared data: one safetensors file of uint8 images and labels in three splits."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from mnist_vae.common.atomic import write_atomically
from mnist_vae.common.catalogue import DIGITS
from mnist_vae.console.stage import UserError

ClassNames = tuple[str, ...]  # of the labels 0, 1, ...; none for images without classes
_ENTRY = "classes"


class Split(NamedTuple):
    """Images (N, 1, H, W) of grey levels 0..255, and the numbers of their classes (N,), all 0 without classes."""

    images: UInt8[np.ndarray, "N 1 H W"]
    labels: UInt[np.ndarray, " N"]


class Prepared(NamedTuple):
    """The three splits: `train` and `validation` are the training set, `test` is the test set."""

    train: Split
    validation: Split
    test: Split


def save_prepared(prepared: Prepared, path: Path, class_names: ClassNames = DIGITS) -> None:
    """Write the splits to a file, and the names of the classes unless they are the ten digits.

    Raises UserError if it cannot be written.
    """
    arrays = {}
    for name, split in prepared._asdict().items():
        arrays |= {f"{name}_images": split.images, f"{name}_labels": split.labels}
    # safetensors silently writes wrong values of an array that is not contiguous.
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_atomically(save(whole, names_entry(class_names)), path)


def load_prepared(path: Path) -> Prepared:
    """Read what save_prepared wrote. Raises UserError if the file is missing, damaged or of another kind."""
    try:
        arrays = load_file(path)
        return Prepared(*(Split(arrays[f"{name}_images"], arrays[f"{name}_labels"]) for name in Prepared._fields))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro`") from None
    except (SafetensorError, OSError, KeyError) as error:
        raise UserError(f"{path} is not a file of prepared data ({error}): delete it and run `dvc repro`") from None


def names_entry(class_names: ClassNames) -> dict[str, str] | None:
    """The names as a safetensors file's metadata; the ten digits need none."""
    return None if class_names == DIGITS else {_ENTRY: json.dumps(class_names)}


def load_class_names(path: Path) -> ClassNames:
    """The names of the classes in a file whose metadata are names_entry. Raises UserError as load_prepared does."""
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
        return tuple(json.loads(metadata[_ENTRY])) if _ENTRY in metadata else DIGITS
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro`") from None
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} is not a file of prepared data ({error}): delete it and run `dvc repro`") from None


def class_number(chosen: int | str, names: ClassNames) -> int | None:
    """The number of a class that is given by its name, or else by its number; None if there is no such class."""
    if str(chosen) in names:
        return names.index(str(chosen))
    return chosen if isinstance(chosen, int) and chosen < len(names) else None
