"""Files of named arrays in the safetensors format that may be larger than memory: mapped to read, written in blocks."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from safetensors import safe_open

from mnist_vae.common.atomic import whole_file

_DTYPES = {"U8": np.dtype(np.uint8), "F32": np.dtype(np.float32)}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_LENGTH_BYTES = 8  # of the number in front of the header, which also ends at a multiple of it


class ArrayKind(NamedTuple):
    """What an array in a file is: uint8 or float32, and its shape."""

    dtype: np.dtype
    shape: tuple[int, ...]


def map_arrays(path: Path) -> dict[str, np.ndarray]:
    """The uint8 and float32 arrays in a safetensors file, as read-only views of the mapped file.

    Nothing is read before it is used, and the system drops what was read when it needs the memory. So the file must not
    be shortened meanwhile; replacing it, as whole_file does, is safe. Raises OSError or SafetensorError, as safetensors
    does, for a missing, torn or foreign file.
    """
    with safe_open(path, "np"):  # checks the header and the size
        pass
    content = np.asarray(np.memmap(path, np.uint8, "r"))
    start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES].tobytes(), "little")
    header = json.loads(content[_LENGTH_BYTES:start].tobytes())
    arrays = {}
    for name, entry in header.items():
        if (dtype := _DTYPES.get(entry.get("dtype"))) is not None:
            first, end = entry["data_offsets"]
            arrays[name] = content[start + first : start + end].view(dtype).reshape(entry["shape"])
    return arrays


class ArrayWriter:
    """Fills the arrays of a new file, each from its first row to its last, in blocks of any size and in any turn."""

    def __init__(self, file: BinaryIO, kinds: Mapping[str, ArrayKind]):
        # In safetensors' own order, so that the bytes are those of its save().
        names = sorted(kinds, key=lambda name: (-kinds[name].dtype.itemsize, name))
        sizes = [int(np.prod(kinds[name].shape)) * kinds[name].dtype.itemsize for name in names]
        ends = np.cumsum(sizes, dtype=np.int64).tolist()
        header = {
            name: {"dtype": _CODES[kinds[name].dtype], "shape": kinds[name].shape, "data_offsets": [end - size, end]}
            for name, size, end in zip(names, sizes, ends, strict=True)
        }
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % _LENGTH_BYTES)
        start = _LENGTH_BYTES + len(text)
        self._file, self._kinds = file, kinds
        self._places = {name: start + end - size for name, size, end in zip(names, sizes, ends, strict=True)}
        self._ends = {name: start + end for name, end in zip(names, ends, strict=True)}
        file.write(len(text).to_bytes(_LENGTH_BYTES, "little") + text)

    def append(self, name: str, rows: np.ndarray) -> None:
        """Write the next rows of an array. Raises ValueError for more, or others, than were announced."""
        kind, end = self._kinds[name], self._places[name] + rows.nbytes
        if (rows.dtype, rows.shape[1:]) != (kind.dtype, kind.shape[1:]) or end > self._ends[name]:
            raise ValueError(f"{name} takes no rows {rows.dtype} {rows.shape}")
        self._file.seek(self._places[name])
        self._file.write(np.ascontiguousarray(rows).data)
        self._places[name] = end

    def require_full(self) -> None:
        """Raises ValueError, naming it, for an array that lacks rows."""
        for name, end in self._ends.items():
            if self._places[name] != end:
                raise ValueError(f"{name} lacks {end - self._places[name]} bytes")


@contextmanager
def new_arrays(path: Path, kinds: Mapping[str, ArrayKind]) -> Iterator[ArrayWriter]:
    """A safetensors file of these arrays, to be filled in the block, with the bytes of safetensors' own save().

    Raises UserError if it cannot be written, and ValueError at the block's end if an array lacks rows. The file is
    then as it was before.
    """
    with whole_file(path) as file:
        writer = ArrayWriter(file, kinds)
        yield writer
        writer.require_full()
