"""Copying one named file from a folder or from a web address, with bounded waits."""

import shutil
import time
from pathlib import Path
from typing import NamedTuple, Protocol

import requests
import urllib3
from tqdm import tqdm

from mnist_vae.console.stage import without_password

_CHUNK_BYTES = 1 << 16
_LARGEST_BYTES = 1 << 26  # the largest of the known files has 18 MB; nothing much longer is taken


class TransferError(Exception):
    """A source did not give a file; the text says why."""


class Patience(NamedTuple):
    """How long a server may keep us waiting, and the least mean rate at which it may send."""

    connect_seconds: float = 10
    read_seconds: float = 15
    bytes_per_second: float = 20_000


class Source(Protocol):
    """A place that may hold the files. `str()` of it is fit for messages."""

    def copy(self, name: str, target: Path) -> None:
        """Write the named file to `target`. Raises TransferError; `target` may then hold a part of it."""


class Folder(NamedTuple):
    """A folder on this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def copy(self, name: str, target: Path) -> None:
        try:
            if (self.path / name).stat().st_size > _LARGEST_BYTES:
                raise TransferError(f"has more than {_LARGEST_BYTES:,} bytes")
            shutil.copyfile(self.path / name, target)
        except OSError as error:
            raise TransferError(error.strerror or str(error)) from None


class Web(NamedTuple):
    """A folder behind an http(s) address."""

    address: str
    patience: Patience = Patience()

    def __str__(self) -> str:
        return without_password(self.address)

    def copy(self, name: str, target: Path) -> None:
        try:
            with requests.get(
                f"{self.address.rstrip('/')}/{name}",
                stream=True,
                timeout=(self.patience.connect_seconds, self.patience.read_seconds),
                headers={"Accept-Encoding": "identity"},  # the file is a gzip; it must not come unpacked
            ) as response:
                if response.status_code != requests.codes.ok:
                    raise TransferError(f"HTTP {response.status_code} {response.reason}")
                self._receive(response, name, target)
        # The body is read below requests, by urllib3, which has exceptions of its own.
        except requests.ConnectTimeout:
            raise TransferError(f"no connection within {self.patience.connect_seconds:g} s") from None
        except (requests.Timeout, urllib3.exceptions.ReadTimeoutError):
            raise TransferError(f"no answer within {self.patience.read_seconds:g} s") from None
        except (urllib3.exceptions.IncompleteRead, urllib3.exceptions.ProtocolError):
            raise TransferError("broke off") from None
        except requests.ConnectionError:
            raise TransferError("no connection") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise TransferError(f"{type(error).__name__}: {' '.join(str(error).split())}") from None

    def _receive(self, response: requests.Response, name: str, target: Path) -> None:
        length = response.headers.get("Content-Length", "")
        announced = int(length) if length.isdecimal() else None
        start, received = time.monotonic(), 0
        # disable=None: a bar on a terminal, nothing elsewhere.
        with (
            target.open("wb") as file,
            tqdm(desc=name, total=announced, unit="B", unit_scale=True, disable=None) as bar,
        ):
            while chunk := response.raw.read1(_CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
                received += len(chunk)
                seconds = time.monotonic() - start
                if received > _LARGEST_BYTES:
                    raise TransferError(f"sent more than {_LARGEST_BYTES:,} bytes")
                # The wait for the next bytes alone would let a server that drips hold us for days.
                if seconds > self.patience.read_seconds and received < self.patience.bytes_per_second * seconds:
                    raise TransferError(f"too slow: {received:,} bytes in {seconds:.0f} s")
