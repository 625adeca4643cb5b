"""Larochelle's files of binarised MNIST: text, a line of 784 digits 0 or 1 for each image, blanks between them.

They have a split of their own and no classes. Nobody serves them for sure, so they come from a folder that a person
names.
"""

import os
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from mnist_vae.common.atomic import write_atomically
from mnist_vae.common.catalogue import LAROCHELLE_FILES, LAROCHELLE_SIDE, LAROCHELLE_SIZES, WHITE
from mnist_vae.console.stage import UserError
from mnist_vae.data.prepared import Prepared, Split

_BLANKS, _ZERO = b" \t\r\n", ord("0")


def keep_larochelle(folder: Path, originals: Path, root: Path) -> str:
    """Make `folder` hold the three files, and return where they came from.

    Looks in `folder`, in MNIST_MIRROR if that is a folder, relative to `root`, and in `originals` below `root`. Raises
    UserError if they are nowhere, or are not what read_bits takes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mirror = os.environ.get("MNIST_MIRROR", "")
    places = [folder, *([root / mirror] if mirror and "://" not in mirror else []), root / originals]
    for place in places:
        if all((place / name).is_file() for name in LAROCHELLE_FILES):
            for name, size in zip(LAROCHELLE_FILES, LAROCHELLE_SIZES, strict=True):
                read_bits(place / name, size)
                if place != folder:
                    write_atomically((place / name).read_bytes(), folder / name)
            return "already there" if place == folder else str(place)
    raise UserError(
        f"binarisation is larochelle, but none of these folders has all of {', '.join(LAROCHELLE_FILES)}:"
        f" {', '.join(map(str, places[1:]))}. Put the files into {root / originals}, or set binarisation to fixed,"
        " which draws other bits of the same images"
    )


def forget_larochelle(folder: Path) -> None:
    """Remove the files that keep_larochelle has put into a folder, for a data set that does not use them."""
    for name in LAROCHELLE_FILES:
        if (folder / name).exists():
            (folder / name).unlink()


def prepare_larochelle(folder: Path) -> Prepared:
    """The three splits, all with the class number 0. Raises UserError as read_bits does."""
    files = zip(LAROCHELLE_FILES, LAROCHELLE_SIZES, strict=True)
    return Prepared(*(Split(read_bits(folder / name, size), np.zeros(size, np.uint8)) for name, size in files))


def read_bits(path: Path, count: int) -> UInt8[np.ndarray, "{count} 1 28 28"]:
    """The images of a file, black or white. Raises UserError unless it holds that many lines of 784 bits."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
    pixels = LAROCHELLE_SIDE**2
    if len(lines) != count:
        raise UserError(f"{path} holds {len(lines)} lines, but must hold {count}, one for each image")
    images = np.empty((count, pixels), np.uint8)
    for number, line in enumerate(lines):
        bits = np.frombuffer(line.translate(None, _BLANKS), np.uint8) - np.uint8(_ZERO)
        if len(bits) != pixels or bits.max() > 1:
            raise UserError(f"{path} is damaged: line {number + 1} does not consist of {pixels} digits 0 or 1")
        images[number] = bits
    images *= WHITE
    return images.reshape(count, 1, LAROCHELLE_SIDE, LAROCHELLE_SIDE)
