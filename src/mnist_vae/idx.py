"""Reading and writing the IDX format of the MNIST files (http://yann.lecun.com/exdb/mnist/)."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from mnist_vae.stage import StageError

_UNSIGNED_BYTE = 0x08


def read_idx(path: Path, dimensions: int) -> UInt8[np.ndarray, "..."]:
    """The array of bytes in an IDX file, gzipped if its name ends in .gz.

    Raises StageError, naming the file, if it is not a whole IDX file of unsigned bytes with that many dimensions.
    """
    content = _content(path)
    header = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, _UNSIGNED_BYTE, dimensions]) or len(content) < header:
        raise StageError(f"{path} is not an IDX file of {dimensions}-dimensional unsigned bytes")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", dimensions, offset=4))
    if len(content) - header != math.prod(shape):
        raise StageError(
            f"{path} announces {math.prod(shape)} bytes of shape {shape}, but {len(content) - header} follow"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def idx_bytes(array: UInt8[np.ndarray, "..."]) -> bytes:
    """The array as the content of an IDX file, not compressed."""
    shape = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, _UNSIGNED_BYTE, array.ndim]) + shape + array.tobytes()


def _content(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except FileNotFoundError:
        raise StageError(f"{path} is missing: run `dvc repro download`") from None
    except (OSError, EOFError, zlib.error) as error:
        raise StageError(f"{path} cannot be read: {error}") from None
