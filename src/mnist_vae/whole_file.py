"""Files that are there whole or not at all, and their checksums."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from mnist_vae.stage import StageError


def write_whole(content: bytes, path: Path) -> None:
    """Put the bytes into the file, which at each moment holds its former content or this one, even after a power cut.

    Makes the folders above it. Raises StageError if the bytes cannot be written; the former content is still there.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):  # what there is of it would keep a full disk full
            unfinished.unlink()
        raise StageError(f"{path} cannot be written ({error.strerror}): mend that and start again") from None


def file_md5(path: Path) -> str:
    """The md5 sum of a file, as dvc.lock has it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
