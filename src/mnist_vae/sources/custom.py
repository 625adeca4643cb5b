"""How the download stage checks a person's image files and copies them into the folder that DVC keeps."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from mnist_vae.common.atomic import file_md5, write_atomically
from mnist_vae.console.stage import UserError
from mnist_vae.sources.faults import Faults
from mnist_vae.sources.grey import ImageFaultError, read_grey
from mnist_vae.sources.idx import read_idx
from mnist_vae.sources.layout import IdxLayout, find_layout
from mnist_vae.sources.manifest import Manifest, bytes_md5, load_manifest
from mnist_vae.sources.pack import Packed, write_pack
from mnist_vae.sources.parallel import map_in_order

MANIFEST, PACK = "manifest.txt", "images.tar"
_LARGEST_BYTES = 1 << 28  # for one image file, which is read into memory whole
_CHECK_SIZE = 32  # each image is read at this size to see whether it can be read
_CHANGED = "a file that changed while it was read: start again"


class _Checked(NamedTuple):
    file: Packed
    problem: str = ""
    reason: str = ""


def keep_custom(folder: Path, manifest: Manifest, kept: Path, root: Path, check: Callable[[Path], None]) -> str:
    """Check the files of a person's folder and copy them to `kept`, all or none. Returns where they came from.

    `check` gets the folder of copied files, and raises UserError if they do not fit together. Raises UserError with a
    count of all faults if the person's folder has any. In both cases `kept` is unchanged.
    """
    if _is_kept(manifest, kept):
        check(kept)
        return "already there"
    (root / ".dvc" / "tmp").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="download-", dir=root / ".dvc" / "tmp") as place:
        scratch = Path(place)
        layout = find_layout([*manifest.md5], folder)
        if isinstance(layout, IdxLayout):
            _copy_idx(folder, manifest, layout, scratch)
        else:
            _pack_images(folder, manifest, scratch / PACK)
        write_atomically(manifest.text().encode(), scratch / MANIFEST)
        check(scratch)
        # The manifest marks the folder as complete, so it is deleted first and written last.
        (kept / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for path in sorted(scratch.iterdir(), key=lambda path: path.name == MANIFEST):
            path.replace(kept / path.name)
    return str(folder)


def _is_kept(manifest: Manifest, kept: Path) -> bool:
    return (kept / MANIFEST).is_file() and load_manifest(kept / MANIFEST) == manifest


def _copy_idx(folder: Path, manifest: Manifest, layout: IdxLayout, scratch: Path) -> None:
    faults = Faults()
    for path, md5 in manifest.md5.items():
        try:
            shutil.copyfile(folder / path, scratch / path)
        except OSError as error:
            faults.add("a file that cannot be read", f"{path}: {error.strerror}")
            continue
        if file_md5(scratch / path) != md5:
            faults.add(_CHANGED, path)
    faults.require_none(folder)
    for path, dimensions in ((layout.train_images, 3), (layout.test_images, 3), (layout.train_labels, 1)):
        if path:
            read_idx(scratch / path, dimensions)


def _pack_images(folder: Path, manifest: Manifest, pack: Path) -> None:
    faults = Faults()

    def whole() -> Iterator[Packed]:
        for checked in _check_all(folder, manifest):
            if checked.problem:
                faults.add(checked.problem, checked.file.path + (f": {checked.reason}" if checked.reason else ""))
            elif not faults:  # after the first fault, files are checked but no longer packed
                yield checked.file

    write_pack(whole(), pack)
    faults.require_none(folder)


def _check_all(folder: Path, manifest: Manifest) -> Iterator[_Checked]:
    def check(path: str) -> _Checked:
        empty = Packed(path, b"")
        try:
            if (folder / path).stat().st_size > _LARGEST_BYTES:
                return _Checked(empty, f"an image of more than {_LARGEST_BYTES:,} bytes")
            file = Packed(path, (folder / path).read_bytes())
            if bytes_md5(file.content) != manifest.md5[path]:
                return _Checked(empty, _CHANGED)
            read_grey(file.content, _CHECK_SIZE, "stretch", transpose=False)
        except OSError as error:
            return _Checked(empty, "a file that cannot be read", error.strerror or "")
        except ImageFaultError as error:
            return _Checked(empty, "an image that cannot be read", str(error))
        return _Checked(file)

    total = len(manifest.md5)
    yield from tqdm(map_in_order(check, manifest.md5), desc="checking", total=total, unit=" images", disable=None)


def require_kept(kept: Path) -> Manifest:
    """The manifest of `kept`. Raises UserError if there is none, so the folder is not complete."""
    if not (kept / MANIFEST).is_file():
        raise UserError(f"{kept} does not contain the custom images: run `dvc repro download --force`")
    return load_manifest(kept / MANIFEST)
