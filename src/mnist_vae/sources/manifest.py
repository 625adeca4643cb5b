"""The list of a person's files with their checksums. DVC compares it to see whether the folder changed."""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from mnist_vae.common.atomic import file_md5, write_atomically
from mnist_vae.console.stage import UserError
from mnist_vae.sources.faults import Faults
from mnist_vae.sources.listing import list_files
from mnist_vae.sources.parallel import map_in_order

_HEADER = "custom_data: "
_SETTLED_NANOSECONDS = 2_000_000_000  # a file that was just changed may change again and keep the same time stamp


class Manifest(NamedTuple):
    """custom_data as it is in params.yaml, and the md5 sum of each file by its path in that folder."""

    custom_data: str
    md5: dict[str, str]

    def text(self) -> str:
        """A line for the folder, and one for each file as `md5sum` writes it."""
        return f"{_HEADER}{self.custom_data}\n" + "".join(f"{md5}  {path}\n" for path, md5 in self.md5.items())


def load_manifest(path: Path) -> Manifest:
    """Read what Manifest.text wrote. Raises UserError if the file is missing or is no manifest."""
    try:
        header, *lines = path.read_text("utf-8").splitlines()
        entries = [line.split("  ", 1) for line in lines]
        if not header.startswith(_HEADER):
            raise ValueError(f"it does not begin with {_HEADER.strip()}")
        return Manifest(header.removeprefix(_HEADER), {name: md5 for md5, name in entries})
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro`") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a list of files ({error}): delete it and run `dvc repro`") from None


def take_stock(folder: Path, custom_data: str, memory: Path) -> Manifest:
    """The files of a folder with their md5 sums. Raises UserError for a folder with faults.

    `memory` is a file that caches the sums. A file whose size, time stamps and inode number are unchanged is not read
    again.
    """
    files, known, now, faults = list_files(folder), _recall(memory, folder), time.time_ns(), Faults()
    seen: dict[str, list] = {}

    def sum_of(path: str) -> tuple[str, list, str | None]:
        try:
            status = (folder / path).stat()
            mark = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
            if path in known and known[path][:-1] == mark:
                return path, known[path], None
            return path, [*mark, file_md5(folder / path)], None
        except OSError as error:
            return path, [], f"{path}: {error.strerror}"

    for path, entry, fault in tqdm(map_in_order(sum_of, files), total=len(files), unit=" files", disable=None):
        if fault:
            faults.add("a file that cannot be read", fault)
        seen[path] = entry
    faults.require_none(folder)
    settled = {path: entry for path, entry in seen.items() if max(entry[1:3]) < now - _SETTLED_NANOSECONDS}
    write_atomically(json.dumps({"folder": str(folder), "files": settled}).encode(), memory)
    return Manifest(custom_data, {path: entry[-1] for path, entry in seen.items()})


def custom_folder(custom_data: str, root: Path) -> Path:
    """The folder that custom_data names: a path relative to `root`, or an absolute one; ~ is the person's home."""
    return root / os.path.expanduser(custom_data.strip())  # noqa: PTH111 (it takes an unknown user)


def _recall(memory: Path, folder: Path) -> Mapping[str, list]:
    try:
        kept = json.loads(memory.read_bytes())
        return kept["files"] if kept["folder"] == str(folder) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # the cache only saves time


def bytes_md5(content: bytes) -> str:
    """The md5 sum of a file's content."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
