"""Getting a data set's files: those in place already, else from a source; verified before they take their names."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
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
_LARGEST_BYTES = 1 << 30  # EMNIST's whole archive has 0.56 GB; nothing much longer is taken


class UnreachableError(UserError):
    """No source had the files."""


class Patience(NamedTuple):
    """How long a server may keep us waiting, and the least mean rate at which it may send."""

    connect_seconds: float = 10
    read_seconds: float = 15
    bytes_per_second: float = 20_000


def fetch(dataset: Dataset, folder: Path, root: Path, patience: Patience = Patience()) -> str:
    """Make `folder` hold exactly the data set's verified files, and return where they came from.

    Tries in order the files in `folder`, MNIST_MIRROR (a folder, relative to `root`, or an http(s) address of one), and
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
            print(f"download: {folder / file.name} is not the known file: it is fetched again", flush=True)
    # Outside `folder`, so that a killed download leaves nothing in what DVC hashes; on its file system, to be renamed.
    (root / ".dvc" / "tmp").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="download-", dir=root / ".dvc" / "tmp") as scratch:
        if dataset.torchvision_class is None:
            origin = _write_bundled(missing, Path(scratch))
        else:
            origin = _download(missing, _sources(dataset.torchvision_class, root), patience, Path(scratch), folder)
        for file in missing:
            (Path(scratch) / file.name).replace(folder / file.name)
    return origin


class _TransferError(Exception):
    """A source did not give a file; the text says why."""


def _download(files: list[SourceFile], sources: Iterator[str], patience: Patience, scratch: Path, folder: Path) -> str:
    waiting, tried, origins = list(files), [], []
    for source in sources:
        try:
            while waiting:
                _copy(source, waiting[0].name, scratch / waiting[0].name, patience)
                if not _is_verified(scratch / waiting[0].name, waiting[0]):
                    raise _TransferError("wrong checksum")
                waiting.pop(0)
                origins.append(without_password(source))
        except _TransferError as failure:
            tried.append(f"{without_password(source)} ({waiting[0].name}: {failure})")
            print(f"download: {tried[-1]}", flush=True)
        if not waiting:
            return ", ".join(dict.fromkeys(origins))
    raise UnreachableError(
        f"{waiting[0].name} could be had from nowhere. Tried {'; '.join(tried)}. Ways out: set MNIST_MIRROR to a"
        f" folder, or the http(s) address of one, that holds the four files; put them into {folder}; or take the"
        " bundled digits, which need no network: make demo"
    )


def _sources(torchvision_class: str, root: Path) -> Iterator[str]:
    mirror = os.environ.get("MNIST_MIRROR", "")
    if "://" in mirror and not _is_address(mirror):
        raise UserError(f"MNIST_MIRROR is {without_password(mirror)}, but must be a folder or an http(s) address")
    if mirror:
        yield mirror if _is_address(mirror) else str(root / mirror)
    import torchvision.datasets  # takes seconds, so only once its mirrors are needed

    yield from getattr(torchvision.datasets, torchvision_class).mirrors


def _is_address(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _is_verified(path: Path, file: SourceFile) -> bool:
    return path.is_file() and file_md5(path) == file.md5


def _write_bundled(missing: list[SourceFile], scratch: Path) -> str:
    for bundled in digits_files():
        (scratch / bundled.name).write_bytes(bundled.content)
    if wrong := [file.name for file in missing if not _is_verified(scratch / file.name, file)]:
        raise UserError(f"scikit-learn's digits are not those this project knows ({wrong[0]}): run `make setup`")
    return "scikit-learn"


def _copy(source: str, name: str, target: Path, patience: Patience) -> None:
    """Write the source's file of that name to `target`, or a part of it. Raises _TransferError."""
    try:
        if _is_address(source):
            _get(f"{source.rstrip('/')}/{name}", target, patience)
            return
        if (Path(source) / name).stat().st_size > _LARGEST_BYTES:
            raise _TransferError(f"has more than {_LARGEST_BYTES:,} bytes")
        shutil.copyfile(Path(source) / name, target)
    # The body is read below requests, by urllib3, which has exceptions of its own.
    except requests.ConnectTimeout:
        raise _TransferError(f"no connection within {patience.connect_seconds:g} s") from None
    except (requests.Timeout, urllib3.exceptions.ReadTimeoutError):
        raise _TransferError(f"no answer within {patience.read_seconds:g} s") from None
    except urllib3.exceptions.ProtocolError:
        raise _TransferError("broke off") from None
    except requests.ConnectionError:
        raise _TransferError("no connection") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _TransferError(f"{type(error).__name__}: {' '.join(without_password(str(error)).split())}") from None
    except OSError as error:
        raise _TransferError(error.strerror or str(error)) from None


def _get(address: str, target: Path, patience: Patience) -> None:
    with requests.get(
        address,
        stream=True,
        timeout=(patience.connect_seconds, patience.read_seconds),
        headers={"Accept-Encoding": "identity"},  # the file is a gzip; it must not come unpacked
    ) as response:
        if response.status_code != requests.codes.ok:
            raise _TransferError(f"HTTP {response.status_code} {response.reason}")
        length = response.headers.get("Content-Length", "")
        announced = int(length) if length.isdecimal() else None
        start, received = time.monotonic(), 0
        # disable=None: a bar on a terminal, nothing elsewhere.
        with (
            target.open("wb") as file,
            tqdm(desc=target.name, total=announced, unit="B", unit_scale=True, disable=None) as bar,
        ):
            while chunk := response.raw.read1(_CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
                received += len(chunk)
                seconds = time.monotonic() - start
                if received > _LARGEST_BYTES:
                    raise _TransferError(f"sent more than {_LARGEST_BYTES:,} bytes")
                # The wait for the next bytes alone would let a server that drips hold us for days.
                if seconds > patience.read_seconds and received < patience.bytes_per_second * seconds:
                    raise _TransferError(f"too slow: {received:,} bytes in {seconds:.0f} s")
