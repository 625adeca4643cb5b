"""Files that are there whole or not at all, and their checksums."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mnist_vae.console.stage import UserError


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to be written in the block, at whose end it takes the place of the one that is there, if any.

    At each moment that holds its former content or the whole new one, even after a power cut. Makes the folders above
    it. An exception in the block leaves the former content, and an OSError becomes a UserError: that this file cannot
    be written.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException as error:
        with suppress(OSError):  # what there is of it would keep a full disk full
            unfinished.unlink()
        if not isinstance(error, OSError):
            raise
        raise UserError(f"{path} cannot be written ({error.strerror}): mend that and start again") from None


def write_whole(content: bytes, path: Path) -> None:
    """Make the bytes the content of the file, as whole_file does. Raises UserError if they cannot be written."""
    with whole_file(path) as file:
        file.write(content)


def file_md5(path: Path) -> str:
    """The md5 sum of a file, as dvc.lock has it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
