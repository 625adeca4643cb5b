"""Reading and writing the IDX format of the MNIST files (http://yann.lecun.com/exdb/mnist/)."""

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from jaxtyping import UInt8

from mnist_vae.stage import StageError

_UNSIGNED_BYTE = 0x08
_LARGEST_BYTES = 1 << 26  # the largest of the known files has 47 MB; a file cannot make us unpack more


def read_idx(path: Path, dimensions: int) -> UInt8[np.ndarray, "..."]:
    """The array of bytes in an IDX file, gzipped if its name ends in .gz.

    Raises StageError, naming the file, if it is not a whole IDX file of unsigned bytes with that many dimensions.
    """
    with _opened(path) as file:
        header = file.read(4 + 4 * dimensions)
        if header[:4] != bytes([0, 0, _UNSIGNED_BYTE, dimensions]) or len(header) < 4 + 4 * dimensions:
            raise StageError(f"{path} is not an IDX file of {dimensions}-dimensional unsigned bytes")
        shape = tuple(int(size) for size in np.frombuffer(header, ">u4", offset=4))
        announced = math.prod(shape)
        if announced > _LARGEST_BYTES:
            raise StageError(f"{path} announces {announced:,} bytes; no known data set has above {_LARGEST_BYTES:,}")
        content = file.read(announced)
        if len(content) < announced or file.read(1):
            found = f"{len(content)}" if len(content) < announced else "more"
            raise StageError(f"{path} announces {announced} bytes of shape {shape}, but {found} follow")
    return np.frombuffer(content, np.uint8).reshape(shape)


def idx_bytes(array: UInt8[np.ndarray, "..."]) -> bytes:
    """The array as the content of an IDX file, not compressed."""
    shape = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, _UNSIGNED_BYTE, array.ndim]) + shape + array.tobytes()


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            if path.suffix != ".gz":
                yield file
            else:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield cast("BinaryIO", unpacked)
    except FileNotFoundError:
        raise StageError(f"{path} is missing: run `dvc repro download`") from None
    except (OSError, EOFError, zlib.error) as error:
        raise StageError(f"{path} cannot be read: {error}") from None
