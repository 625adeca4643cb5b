"""Listing the files in a person's folder. The folder is only read."""

import os
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from mnist_vae.console.stage import UserError
from mnist_vae.sources.faults import Faults

# Files that operating systems, unpacking programs and authors leave beside images. Hidden files are ignored too.
_IGNORED = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"}
_IGNORED_STEMS = {"readme", "license", "licence", "copying"}
_IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff"}
_DEEPEST = 32  # folders within folders


def list_files(folder: Path) -> list[str]:
    """The sorted paths of all files below the folder, relative to it.

    Hidden files and files that commonly lie beside images are left out. Raises UserError for a folder that is missing
    or empty. Raises UserError with a count of all faults for names, links and folders that cannot be copied to another
    machine.
    """
    if not folder.is_dir():
        raise UserError(f"custom_data is {folder}, which is {'not a folder' if folder.exists() else 'missing'}")
    faults = Faults()
    files = list(_walk(folder.resolve(), "", faults, _DEEPEST))
    faults.require_none(folder)
    if not files:
        raise UserError(f"{folder} holds no images")
    return sorted(files)


def is_image_name(path: str) -> bool:
    """Whether the name has the suffix of an image format that can be read."""
    return os.path.splitext(path)[1].lower() in _IMAGE_SUFFIXES  # noqa: PTH122 (it is not a path of this machine)


def _walk(root: Path, below: str, faults: Faults, depth: int) -> Iterator[str]:
    """The files below a folder. `below` is the folder's path with a slash at its end, or empty for `root` itself."""
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
            faults.add("a name that differs from another only in upper and lower case", f"{path} beside {seen[same]}")
        if problem := _problem(root, path, entry, depth):
            faults.add(problem, path)
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(root, f"{path}/", faults, depth - 1)
        else:
            yield path


def _problem(root: Path, path: str, entry: os.DirEntry, depth: int) -> str | None:
    name = entry.name
    if not name.isprintable() or name != name.strip() or "\\" in name:
        return "a name that not every system accepts"  # a name that is not UTF-8 has surrogates: it is not printable
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
