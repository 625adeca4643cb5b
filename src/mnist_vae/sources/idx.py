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
_LARGEST_BYTES = 1 << 32  # EMNIST's largest file has 0.6 GB; no more than this is unpacked


def read_idx(path: Path, dimensions: int) -> UInt8[np.ndarray, "..."]:
    """The array of bytes in an IDX file, gzipped if its name ends in .gz.

    It reads no more than the header announces, and at most 4 GiB. Raises UserError, which names the file, if it is not
    a complete IDX file of unsigned bytes with that many dimensions.
    """
    with _opened(path) as file:
        shape = _read_shape(file, path, dimensions)
        announced = f"{path} announces {math.prod(shape):,} bytes of shape {shape}"
        if math.prod(shape) > _LARGEST_BYTES:
            raise UserError(f"{announced}, but files above {_LARGEST_BYTES:,} bytes are not read")
        content = file.read(math.prod(shape))
        if len(content) < math.prod(shape):
            raise UserError(f"{announced}, but contains only {len(content):,}: delete it and run `dvc repro`")
        if file.read(1):
            raise UserError(f"{announced}, but contains more: delete it and run `dvc repro`")
        return np.frombuffer(content, np.uint8).reshape(shape)


def idx_shape(path: Path, dimensions: int) -> tuple[int, ...]:
    """The shape in an IDX file's header. Raises UserError for a file of another kind."""
    with _opened(path) as file:
        return _read_shape(file, path, dimensions)


def idx_bytes(array: UInt8[np.ndarray, "..."]) -> bytes:
    """The array as the content of an IDX file, not compressed."""
    shape = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, _UNSIGNED_BYTE, array.ndim]) + shape + array.tobytes()


def _read_shape(file: BufferedIOBase, path: Path, dimensions: int) -> tuple[int, ...]:
    header = file.read(4 + 4 * dimensions)
    if header[:4] != bytes([0, 0, _UNSIGNED_BYTE, dimensions]) or len(header) < 4 + 4 * dimensions:
        raise UserError(f"{path} is not an IDX file of {dimensions}-dimensional unsigned bytes")
    return tuple(int(size) for size in np.frombuffer(header, ">u4", offset=4))


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
