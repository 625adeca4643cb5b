"""Downloading a data set's files. Each file is verified before it gets its final name."""

import gzip
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import requests
import urllib3
from tqdm import tqdm

from mnist_vae.common.atomic import file_md5
from mnist_vae.common.catalogue import Dataset, SourceFile
from mnist_vae.console.stage import UserError, without_password
from mnist_vae.sources.bundled import digits_files

_CHUNK_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"  # the first bytes of a gzip file
_PLACES_OF_TORCHVISION = ("raw/", "MNIST/raw/", "FashionMNIST/raw/", "KMNIST/raw/")
_LARGEST_BYTES = 1 << 30  # EMNIST's whole archive has 0.56 GB; a larger file than this is refused


class UnreachableError(UserError):
    """No source had the files."""


class Patience(NamedTuple):
    """How long to wait for a server, and the smallest mean rate at which it may send."""

    connect_seconds: float = 10
    read_seconds: float = 15
    bytes_per_second: float = 20_000


def fetch(dataset: Dataset, folder: Path, originals: Path, root: Path, patience: Patience = Patience()) -> str:
    """Make `folder` hold exactly the data set's verified files, and return where they came from.

    Files that are in `folder` already are kept if they are verified. The others come from the first source that has
    them: MNIST_MIRROR (a folder, relative to `root`, or the http(s) address of one), the folder `originals` below
    `root`, torchvision's mirrors. A file is verified by its own md5 sum, and then stored as its authors packed it, or
    by the md5 sum of its unpacked content, and then stored unpacked. Raises UnreachableError, which names all sources
    that were tried, and UserError for a file in `folder` that is not the data set's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = {name for file in dataset.files for name in (file.name, file.unpacked_name)}
    if strangers := sorted(entry.name for entry in folder.iterdir() if entry.name not in names):
        raise UserError(f"{folder} holds {strangers[0]}, which is not a file of the data set: move it elsewhere")
    missing = [file for file in dataset.files if not _is_verified(folder, file)]
    if not missing:
        return "already there"
    for file in missing:
        if file.find(folder).exists():
            print(
                f"download: {file.find(folder)} does not have the expected checksum: downloading it again", flush=True
            )
    # The scratch folder is outside `folder`, so that a killed download leaves nothing in what DVC hashes. It is on the
    # same file system, so that files can be renamed into place.
    (root / ".dvc" / "tmp").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="download-", dir=root / ".dvc" / "tmp") as scratch:
        if dataset.torchvision_class is None:
            origin = _write_bundled(missing, Path(scratch))
        else:
            origin = _download(missing, _Sources(dataset.torchvision_class, originals, root), patience, Path(scratch))
        for file in missing:
            verified = file.find(Path(scratch))
            file.find(folder).unlink(missing_ok=True)
            verified.replace(folder / verified.name)
    return origin


class _TransferError(Exception):
    """A source did not provide a file; the text says why. `is_missing` if it answers but has no file of that name."""

    def __init__(self, reason: str, *, is_missing: bool = False):
        super().__init__(reason)
        self.is_missing = is_missing


class _Sources:
    """The sources of a data set's files in the order in which they are tried: paths of folders, and addresses."""

    def __init__(self, torchvision_class: str, originals: Path, root: Path):
        self._torchvision_class, self._originals, self._root = torchvision_class, originals, root

    def __iter__(self) -> Iterator[str]:
        mirror = os.environ.get("MNIST_MIRROR", "")
        if "://" in mirror and not _is_address(mirror):
            raise UserError(f"MNIST_MIRROR is {without_password(mirror)}, but must be a folder or an http(s) address")
        if mirror:
            yield mirror if _is_address(mirror) else str(self._root / os.path.expanduser(mirror))  # noqa: PTH111 (it takes an unknown user)
        if (originals := self._root / self._originals).is_dir():
            yield str(originals)
        import torchvision.datasets  # takes seconds, so only once its mirrors are needed

        yield from getattr(torchvision.datasets, self._torchvision_class).mirrors

    def ways_out(self, files: Sequence[SourceFile]) -> str:
        """What a person can do if all sources fail."""
        is_known = all(file.content_md5 for file in files)  # whether unpacked files can be verified too
        *first, last = [file.unpacked_name if is_known else file.name for file in files]
        names = f"{', '.join(first)} and {last}{', gzipped or not,' if is_known else ''}"
        return (
            f"What you can do: put {names} into {self._root / self._originals}"
            " (not into data/raw, which DVC empties); or set MNIST_MIRROR to another folder or http(s) address that has"
            " these files; or type make demo, which uses the bundled digits and downloads nothing"
        )


def _download(files: Sequence[SourceFile], sources: _Sources, patience: Patience, scratch: Path) -> str:
    waiting, tried, origins = list(files), [], []
    for source in sources:
        try:
            while waiting:
                _obtain(source, waiting[0], scratch, patience)
                waiting.pop(0)
                origins.append(without_password(source))
        except _TransferError as failure:
            tried.append(f"{without_password(source)} ({waiting[0].name}: {failure})")
            print(f"download: {tried[-1]}", flush=True)
        if not waiting:
            return ", ".join(dict.fromkeys(origins))
    raise UnreachableError(
        f"{waiting[0].name} could not be obtained. Tried {'; '.join(tried)}. {sources.ways_out(files)}"
    )


def _obtain(source: str, file: SourceFile, scratch: Path, patience: Patience) -> None:
    """Put a verified file into `scratch`, as its authors packed it or unpacked. Raises _TransferError."""
    failures, part = [], scratch / "part"
    for name in _possible_names(source, file):
        try:
            _copy(source, name, part, patience)
            if file_md5(part) == file.md5:
                part.replace(scratch / file.name)
                return
            _unpack(part)
            if file_md5(part) == file.content_md5:
                part.replace(scratch / file.unpacked_name)
                return
            raise _TransferError("wrong checksum")
        except _TransferError as failure:
            failures.append(failure)
            if _is_address(source) and not failure.is_missing:
                break
    raise next((failure for failure in failures if not failure.is_missing), failures[0])


def _possible_names(source: str, file: SourceFile) -> list[str]:
    """The names that a file may have in a source.

    In a folder it may also have a name that unpacking programs give it, and be where torchvision puts it.
    """
    names = list(dict.fromkeys([file.name, file.unpacked_name]))
    if _is_address(source):
        return names
    names += [name.replace("-idx", ".idx") for name in names]
    return [f"{place}{name}" for place in ("", *_PLACES_OF_TORCHVISION) for name in names]


def _unpack(part: Path) -> None:
    """Replace a gzip file by its unpacked content; leave another file as it is. Raises _TransferError."""
    unpacked = part.with_name("unpacked")
    with part.open("rb") as file:
        if file.read(len(_GZIP)) != _GZIP:
            return
    try:
        with gzip.open(part) as source, unpacked.open("wb") as target:
            while chunk := source.read(_CHUNK_BYTES):
                target.write(chunk)
                if target.tell() > _LARGEST_BYTES:
                    raise _TransferError(f"unpacks to more than {_LARGEST_BYTES:,} bytes")
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise _TransferError("wrong checksum") from None
    unpacked.replace(part)


def _is_address(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _is_verified(folder: Path, file: SourceFile) -> bool:
    """Whether the folder has the verified file, packed or unpacked. Raises UserError if it has both forms."""
    if file.name != file.unpacked_name and all((folder / name).exists() for name in (file.name, file.unpacked_name)):
        raise UserError(f"{folder} holds both {file.name} and {file.unpacked_name}: move one of them elsewhere")
    path = file.find(folder)
    return path.is_file() and file_md5(path) == (file.md5 if path.name == file.name else file.content_md5)


def _write_bundled(missing: list[SourceFile], scratch: Path) -> str:
    for bundled in digits_files():
        (scratch / bundled.name).write_bytes(bundled.content)
    if wrong := [file.name for file in missing if not _is_verified(scratch, file)]:
        raise UserError(
            f"the digits of this scikit-learn are not those of the project's version ({wrong[0]}): run `make setup`"
        )
    return "scikit-learn"


def _copy(source: str, name: str, target: Path, patience: Patience) -> None:
    """Copy the source's file of that name to `target`. Raises _TransferError and may then leave a part of it."""
    try:
        if _is_address(source):
            _get(f"{source.rstrip('/')}/{name}", target, patience)
            return
        if (Path(source) / name).stat().st_size > _LARGEST_BYTES:
            raise _TransferError(f"has more than {_LARGEST_BYTES:,} bytes")
        shutil.copyfile(Path(source) / name, target)
    # urllib3 reads the body, not requests, so its exceptions can come up too.
    except requests.ConnectTimeout:
        raise _TransferError(f"no connection within {patience.connect_seconds:g} s") from None
    except (requests.Timeout, urllib3.exceptions.ReadTimeoutError):
        raise _TransferError(f"no answer within {patience.read_seconds:g} s") from None
    except urllib3.exceptions.ProtocolError:
        raise _TransferError("was interrupted") from None
    except requests.ConnectionError:
        raise _TransferError("no connection") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _TransferError(f"{type(error).__name__}: {' '.join(without_password(str(error)).split())}") from None
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        raise _TransferError(error.strerror or str(error), is_missing=missing) from None


def _get(address: str, target: Path, patience: Patience) -> None:
    with requests.get(
        address,
        stream=True,
        timeout=(patience.connect_seconds, patience.read_seconds),
        headers={"Accept-Encoding": "identity"},  # the server must not send the gzip file unpacked
    ) as response:
        if response.status_code != requests.codes.ok:
            missing = response.status_code in {requests.codes.not_found, requests.codes.gone}
            raise _TransferError(f"HTTP {response.status_code} {response.reason}", is_missing=missing)
        length = response.headers.get("Content-Length", "")
        announced = int(length) if length.isdecimal() else None
        start, received = time.monotonic(), 0
        # disable=None shows the bar only on a terminal.
        with (
            target.open("wb") as file,
            tqdm(desc=address.rpartition("/")[2], total=announced, unit="B", unit_scale=True, disable=None) as bar,
        ):
            while chunk := response.raw.read1(_CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
                received += len(chunk)
                seconds = time.monotonic() - start
                if received > _LARGEST_BYTES:
                    raise _TransferError(f"sent more than {_LARGEST_BYTES:,} bytes")
                # read_seconds limits only the wait for the next bytes; a very slow server could take days.
                if seconds > patience.read_seconds and received < patience.bytes_per_second * seconds:
                    raise _TransferError(f"too slow: {received:,} bytes in {seconds:.0f} s")
