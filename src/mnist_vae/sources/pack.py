"""Many image files in one tar archive, so that DVC hashes, links and sends one file instead of a hundred thousand."""

import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mnist_vae.console.stage import UserError


class Packed(NamedTuple):
    """A file in a pack: its path and its content."""

    path: str
    content: bytes


def write_pack(files: Iterable[Packed], path: Path) -> None:
    """Write files to an archive. Its bytes depend on nothing but the files' paths and contents."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="utf-8") as opened:
        tar: Any = opened  # pyright does not see its members
        for file in files:
            entry = tarfile.TarInfo(file.path)
            entry.size = len(file.content)
            tar.addfile(entry, io.BytesIO(file.content))
            tar.members = []  # otherwise it keeps an object for each file


def read_pack(path: Path) -> Iterator[Packed]:
    """The files in the order in which they were written. Raises UserError for a missing or damaged archive."""
    try:
        with tarfile.open(path, "r:", encoding="utf-8") as opened:
            tar: Any = opened  # pyright does not see its members
            while entry := tar.next():
                file = tar.extractfile(entry)
                if file is None:
                    raise tarfile.ReadError(f"{entry.name} is not a file")
                yield Packed(entry.name, file.read())
                tar.members = []
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro download`") from None
    except (OSError, tarfile.TarError, EOFError) as error:
        raise UserError(f"{path} cannot be read ({error}): delete it and run `dvc repro download --force`") from None
