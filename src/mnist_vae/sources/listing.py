"""Which files lie in a person's folder. It is read only."""

import os
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from mnist_vae.console.stage import UserError
from mnist_vae.sources.faults import Faults

# What systems, unpackers and authors leave beside images, besides what is hidden.
_IGNORED = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"}
_IGNORED_STEMS = {"readme", "license", "licence", "copying"}
_IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff"}
_DEEPEST = 32  # folders within folders


def list_files(folder: Path) -> list[str]:
    """The paths of the files in the folder and in those below it, relative to it, in order.

    Hidden and known other files are left out. Raises UserError for a folder that is missing or holds nothing, and for
    names, links and folders that cannot be copied to another machine, all of them counted.
    """
    if not folder.is_dir():
        raise UserError(f"custom_data is {folder}, which is {'no folder' if folder.exists() else 'missing'}")
    faults = Faults()
    files = list(_walk(folder.resolve(), "", faults, _DEEPEST))
    faults.require_none(folder)
    if not files:
        raise UserError(f"{folder} holds no images")
    return sorted(files)


def is_image_name(path: str) -> bool:
    """Whether the name is one of an image that can be read."""
    return os.path.splitext(path)[1].lower() in _IMAGE_SUFFIXES  # noqa: PTH122 (it is no path of this machine)


def _walk(root: Path, below: str, faults: Faults, depth: int) -> Iterator[str]:
    """The files below a folder, whose own path is `below` with a slash at its end."""
    try:
        with os.scandir(root / below) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        faults.add("a folder that cannot be read", f"{below or '.'}: {error.strerror}")
        return
    entries = [entry for entry in entries if not _is_ignored(entry.name)]
    if not entries and below:
        faults.add("an empty folder", below.rstrip("/"))
    seen: dict[str, str] = {}
    for entry in entries:
        path = below + entry.name
        same = unicodedata.normalize("NFC", entry.name).casefold()
        if seen.setdefault(same, path) != path:
            faults.add("a name that differs from another in capitals alone", f"{path} beside {seen[same]}")
        if problem := _problem(root, path, entry, depth):
            faults.add(problem, path)
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(root, f"{path}/", faults, depth - 1)
        else:
            yield path


def _problem(root: Path, path: str, entry: os.DirEntry, depth: int) -> str | None:
    name = entry.name
    if not name.isprintable() or name != name.strip() or "\\" in name:
        return "a name that not every system takes"  # also one that is no UTF-8, which Python reads as surrogates
    if entry.is_symlink():
        target = (root / path).resolve()
        if not target.is_file():
            return "a link that leads to no file"
        return None if root in target.parents else "a link that leads out of the folder"
    mode = entry.stat(follow_symlinks=False).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return "neither a file nor a folder"
    return "a folder too deep" if depth == 0 else None


def _is_ignored(name: str) -> bool:
    lower = name.lower()
    return name.startswith(".") or lower in _IGNORED or lower.partition(".")[0] in _IGNORED_STEMS
