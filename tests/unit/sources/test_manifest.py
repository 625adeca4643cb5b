import hashlib
import os
from pathlib import Path

import pytest

from image_folders import write_tree
from mnist_vae.console.stage import UserError
from mnist_vae.sources import manifest
from mnist_vae.sources.manifest import Manifest, custom_folder, load_manifest, take_stock

CONTENTS = {"a/1.png": b"one", "a/2.png": b"two", "b/3.png": b"three"}
SUMS = {path: hashlib.md5(content).hexdigest() for path, content in CONTENTS.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = write_tree(tmp_path / "mine", CONTENTS)
    for path in CONTENTS:
        os.utime(folder / path, (1e9, 1e9))
    return folder


def _stock(folder: Path) -> dict[str, str]:
    return take_stock(folder, "mine", folder.parent / "memory.json").md5


def test_files_are_listed_with_their_sums(folder: Path) -> None:
    assert _stock(folder) == SUMS


def test_what_was_written_is_read_again(folder: Path, tmp_path: Path) -> None:
    taken = take_stock(folder, "some where/ä", folder.parent / "memory.json")
    (tmp_path / "list").write_text(taken.text(), "utf-8")
    assert load_manifest(tmp_path / "list") == taken == Manifest("some where/ä", SUMS)


def test_changed_content_is_noticed_even_if_size_and_time_are_unchanged(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "_SETTLED_NANOSECONDS", -(10**12))  # also what has just changed is not read again
    _stock(folder)
    before = (folder / "a/1.png").stat()
    (folder / "a/1.png").write_bytes(b"ONE")
    os.utime(folder / "a/1.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _stock(folder)["a/1.png"] == hashlib.md5(b"ONE").hexdigest()


def test_new_and_removed_files_are_seen(folder: Path) -> None:
    _stock(folder)
    (folder / "a/1.png").rename(folder / "a/9.png")
    assert list(_stock(folder)) == ["a/2.png", "a/9.png", "b/3.png"]


def test_unchanged_files_that_are_old_enough_are_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "_SETTLED_NANOSECONDS", -(10**18))  # as if they had been written long ago
    _stock(folder)
    read = []
    monkeypatch.setattr(manifest, "file_md5", lambda path: read.append(path.name) or "other")
    assert _stock(folder) == SUMS
    assert read == []
    other = write_tree(folder.parent / "other", CONTENTS)
    take_stock(other, "other", folder.parent / "memory.json")
    assert sorted(read) == ["1.png", "2.png", "3.png"]


def test_file_that_has_just_changed_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _stock(folder)  # their status has changed a moment ago
    read = []
    monkeypatch.setattr(manifest, "file_md5", lambda path: read.append(path.name) or "other")
    _stock(folder)
    assert len(read) == 3


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"folder": 1, "files": 2}'])
def test_damaged_cache_of_sums_only_costs_time(folder: Path, content: bytes) -> None:
    (folder.parent / "memory.json").write_bytes(content)
    assert _stock(folder) == SUMS


def test_file_without_permission_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(manifest, "file_md5", refuse)
    with pytest.raises(UserError, match=r"3 faults: 3 × a file that cannot be read \(a/1.png: Permission denied"):
        _stock(folder)


@pytest.mark.parametrize("content", [b"", b"other\n", b"custom_data: x\nno sum\n", b"\xff"])
def test_foreign_list_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(UserError, match="list is not a list of files"):
        load_manifest(tmp_path / "list")


def test_folder_is_absolute_at_home_or_below_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert custom_folder("/data/x", tmp_path) == Path("/data/x")
    assert custom_folder("data/x", tmp_path) == tmp_path / "data" / "x"
    assert custom_folder("~/x", tmp_path) == Path("/home/me/x")
