"""Reading and writing the IDX format of the MNIST files (http://yann.lecun.com/exdb/mnist/)."""

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from mnist_vae.console.stage import UserError

_UNSIGNED_BYTE = 0x08
_LARGEST_BYTES = 1 << 26  # the largest of the known files has 47 MB; a file cannot make us unpack more


def read_idx(path: Path, dimensions: int) -> UInt8[np.ndarray, "..."]:
    """The array of bytes in an IDX file, gzipped if its name ends in .gz.

    Raises UserError, naming the file, if it is not a whole IDX file of unsigned bytes with that many dimensions.
    """
    (whole,) = idx_blocks(path, dimensions, _LARGEST_BYTES)
    return whole


def idx_shape(path: Path, dimensions: int) -> tuple[int, ...]:
    """The shape that an IDX file announces. Raises UserError as read_idx does, if its header is to blame."""
    with _opened(path) as file:
        return _read_shape(file, path, dimensions)


def idx_blocks(path: Path, dimensions: int, items: int) -> Iterator[UInt8[np.ndarray, "..."]]:
    """The same array in blocks of at most that many items, one block at least, read as they are asked for.

    Raises UserError as read_idx does, for what is wrong at the file's end after the last block.
    """
    with _opened(path) as file:
        shape = _read_shape(file, path, dimensions)
        item_bytes, announced = math.prod(shape[1:]), math.prod(shape)
        for start in range(0, max(shape[0], 1), items):
            count = min(items, shape[0] - start)
            content = file.read(count * item_bytes)
            if len(content) < count * item_bytes:
                found = start * item_bytes + len(content)
                raise UserError(f"{path} announces {announced} bytes of shape {shape}, but {found} follow")
            yield np.frombuffer(content, np.uint8).reshape(count, *shape[1:])
        if file.read(1):
            raise UserError(f"{path} announces {announced} bytes of shape {shape}, but more follow")


def idx_bytes(array: UInt8[np.ndarray, "..."]) -> bytes:
    """The array as the content of an IDX file, not compressed."""
    shape = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, _UNSIGNED_BYTE, array.ndim]) + shape + array.tobytes()


def _read_shape(file: BufferedIOBase, path: Path, dimensions: int) -> tuple[int, ...]:
    header = file.read(4 + 4 * dimensions)
    if header[:4] != bytes([0, 0, _UNSIGNED_BYTE, dimensions]) or len(header) < 4 + 4 * dimensions:
        raise UserError(f"{path} is not an IDX file of {dimensions}-dimensional unsigned bytes")
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4", offset=4))
    if (announced := math.prod(shape)) > _LARGEST_BYTES:
        raise UserError(f"{path} announces {announced:,} bytes; no known data set has above {_LARGEST_BYTES:,}")
    return shape


@contextmanager
def _opened(path: Path) -> Iterator[BufferedIOBase]:
    try:
        with path.open("rb") as file:
            if path.suffix != ".gz":
                yield file
            else:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield unpacked
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro download`") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
