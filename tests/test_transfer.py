from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from file_server import FileServer
from mnist_vae.sources import transfer
from mnist_vae.sources.transfer import Folder, Patience, TransferError, Web

CONTENT = bytes(range(256)) * 40
IMPATIENT = Patience(connect_seconds=5, read_seconds=0.4, bytes_per_second=1_000_000)


def _get(server: FileServer, manner: str, target: Path, patience: Patience = Patience()) -> bytes:
    server.files["file.gz"] = CONTENT
    Web(f"{server.address}/{manner}", patience).copy("file.gz", target)
    return target.read_bytes()


@pytest.mark.parametrize("manner", ["whole", "redirected", "chunked", "packed", "packing"])
def test_file_arrives_byte_for_byte(server: FileServer, tmp_path: Path, manner: str) -> None:
    assert _get(server, manner, tmp_path / "file") == CONTENT


def test_slash_at_an_addresss_end_makes_no_difference(server: FileServer, tmp_path: Path) -> None:
    assert _get(server, "whole/", tmp_path / "file") == CONTENT
    assert server.requested == ["/whole/file.gz"]


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("truncated", "broke off"),
        ("absent", "HTTP 404 Not Found"),
        ("silent", "no answer within 0.4 s"),
        ("stalled", "no answer within 0.4 s"),
        ("dripping", "too slow: "),
        ("circular", "TooManyRedirects"),
        ("closed", "no connection"),
    ],
)
def test_bad_server_ends_the_transfer_with_a_reason(
    server: FileServer, tmp_path: Path, manner: str, reason: str
) -> None:
    with pytest.raises(TransferError) as caught:
        _get(server, manner, tmp_path / "file", IMPATIENT)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_endless_file_is_cut_off(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_LARGEST_BYTES", 1000)
    with pytest.raises(TransferError, match="more than 1,000 bytes"):
        _get(server, "whole", tmp_path / "file")


def test_slow_start_is_forgiven(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Before read_seconds are over no rate is asked for, after them this one is too high for the same file.
    patience = Patience(connect_seconds=5, read_seconds=5, bytes_per_second=1e9)
    monkeypatch.setattr(transfer, "time", SimpleNamespace(monotonic=count(0, 0.01).__next__))
    assert _get(server, "whole", tmp_path / "file", patience) == CONTENT
    monkeypatch.setattr(transfer, "time", SimpleNamespace(monotonic=count(0, 6).__next__))
    with pytest.raises(TransferError, match="too slow"):
        _get(server, "whole", tmp_path / "file", patience)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1", "http://name.invalid", "http://", "http://[::1", "http://a..b", "http://h:99999"]
)
def test_bad_address_ends_the_transfer(tmp_path: Path, address: str) -> None:
    with pytest.raises(TransferError):
        Web(address, IMPATIENT).copy("file", tmp_path / "file")


@pytest.mark.parametrize("secret", ["secret", "se@cret", "se:cret"])
def test_password_is_not_in_an_addresss_name(secret: str) -> None:
    name = str(Web(f"https://person:{secret}@example.org/mnist@home"))
    assert name == "https://example.org/mnist@home"


def test_folder_gives_its_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    Folder(tmp_path).copy("file", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT
    assert str(Folder(tmp_path)) == str(tmp_path)


def test_folder_without_the_file_ends_the_transfer(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(TransferError, match="No such file"):
        Folder(tmp_path).copy("file", tmp_path / "copy")
    with pytest.raises(TransferError, match="directory"):
        Folder(tmp_path).copy("folder", tmp_path / "copy")
