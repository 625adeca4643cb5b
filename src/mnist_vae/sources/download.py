"""Getting a data set's files: those there already, else from a source, verified before they take their names."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mnist_vae.common.atomic import file_md5
from mnist_vae.common.catalogue import Dataset, SourceFile
from mnist_vae.console.stage import UserError, without_password
from mnist_vae.sources.bundled import digits_files
from mnist_vae.sources.transfer import Folder, Patience, Source, TransferError, Web


class UnreachableError(UserError):
    """No source had the files."""


def fetch(dataset: Dataset, folder: Path, root: Path, patience: Patience = Patience()) -> str:
    """Make `folder` hold exactly the data set's verified files, and return where they came from.

    Tries in order what is there already, MNIST_MIRROR (a folder, relative to `root`, or an http(s) address of one), and
    torchvision's mirrors. Raises UnreachableError, naming all that was tried, and UserError for files that do not
    belong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = {file.name for file in dataset.files}
    if strangers := sorted(entry.name for entry in folder.iterdir() if entry.name not in names):
        raise UserError(f"{folder} holds {strangers[0]}, which is none of the data set's files: move it elsewhere")
    missing = [file for file in dataset.files if not _is_verified(folder / file.name, file)]
    if not missing:
        return "already there"
    for file in missing:
        if (folder / file.name).exists():
            print(f"download: {folder / file.name} is not the known file: it is fetched anew", flush=True)
    # Outside `folder`, so that a killed download leaves nothing in what DVC hashes; on its file system, to be renamed.
    (root / ".dvc" / "tmp").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="download-", dir=root / ".dvc" / "tmp") as scratch:
        if dataset.torchvision_class is None:
            origin = _write_bundled(missing, Path(scratch))
        else:
            origin = _download(missing, _sources(dataset.torchvision_class, root, patience), Path(scratch), folder)
        for file in missing:
            (Path(scratch) / file.name).replace(folder / file.name)
    return origin


def _download(files: list[SourceFile], sources: Iterator[Source], scratch: Path, folder: Path) -> str:
    waiting, tried, origins = list(files), [], []
    for source in sources:
        try:
            while waiting:
                source.copy(waiting[0].name, scratch / waiting[0].name)
                if not _is_verified(scratch / waiting[0].name, waiting[0]):
                    raise TransferError("wrong checksum")
                waiting.pop(0)
                origins.append(str(source))
        except TransferError as failure:
            tried.append(f"{source} ({waiting[0].name}: {failure})")
            print(f"download: {tried[-1]}", flush=True)
        if not waiting:
            return ", ".join(dict.fromkeys(origins))
    raise UnreachableError(
        f"{waiting[0].name} could be had from nowhere. Tried {'; '.join(tried)}. Ways out: set MNIST_MIRROR to a"
        f" folder, or the http(s) address of one, that holds the four files; put them into {folder}; or take the"
        " bundled digits, which need no network: make demo"
    )


def _sources(torchvision_class: str, root: Path, patience: Patience) -> Iterator[Source]:
    mirror = os.environ.get("MNIST_MIRROR", "")
    if mirror.startswith(("http://", "https://")):
        yield Web(mirror, patience)
    elif "://" in mirror:
        raise UserError(f"MNIST_MIRROR is {without_password(mirror)}, but must be a folder or an http(s) address")
    elif mirror:
        yield Folder(root / mirror)
    import torchvision.datasets  # takes seconds, so only once its mirrors are needed

    for address in getattr(torchvision.datasets, torchvision_class).mirrors:
        yield Web(address, patience)


def _is_verified(path: Path, file: SourceFile) -> bool:
    return path.is_file() and file_md5(path) == file.md5


def _write_bundled(missing: list[SourceFile], scratch: Path) -> str:
    for bundled in digits_files():
        (scratch / bundled.name).write_bytes(bundled.content)
    if wrong := [file.name for file in missing if not _is_verified(scratch / file.name, file)]:
        raise UserError(f"scikit-learn's digits are not those this project knows ({wrong[0]}): run `make setup`")
    return "scikit-learn"
