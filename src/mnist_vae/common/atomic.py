"""Atomic writes of files, and their checksums."""

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mnist_vae.console.stage import UserError


def write_atomically(content: bytes, path: Path) -> None:
    """Write the bytes to the file atomically, and create its parent folders.

    At each moment the file has either its former content or all of the new content, even after a power cut. Raises
    UserError if it cannot be written. Its former content is then unchanged.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException as error:
        with suppress(OSError):  # the incomplete file would keep a full disk full
            unfinished.unlink()
        if not isinstance(error, OSError):
            raise
        raise UserError(f"{path} cannot be written ({error.strerror}): fix that and start again") from None


def code_md5(package: Path, folders: Iterable[str]) -> str:
    """The md5 sum of the Python files in these folders of a package, their names included."""
    digest = hashlib.md5(usedforsecurity=False)
    for path in sorted(path for folder in folders for path in (package / folder).rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def file_md5(path: Path) -> str:
    """The md5 sum of a file, the same as in dvc.lock."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
