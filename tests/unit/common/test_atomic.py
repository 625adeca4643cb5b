import hashlib
import os
from pathlib import Path

import pytest

from mnist_vae.common.atomic import file_md5, write_atomically
from mnist_vae.console.stage import UserError


def test_content_takes_the_place_of_the_former_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    write_atomically(b"first", path)
    write_atomically(b"second", path)
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_content_is_synced_before_it_replaces_the_former_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(b"former", path)
    seen, fsync = [], os.fsync

    def record(descriptor: int) -> None:
        fsync(descriptor)
        seen.append((os.fstat(descriptor).st_size, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", record)
    write_atomically(b"whole", path)
    assert seen == [(len(b"whole"), b"former")]


def test_files_of_a_killed_writer_do_not_disturb_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "file.unfinished").write_bytes(b"half of someth")
    write_atomically(b"whole", tmp_path / "file")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"whole"]


@pytest.mark.parametrize("place", ["file/below", "folder"])
def test_place_that_cannot_be_written_gets_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=rf"^{tmp_path / place} cannot be written \(.*\): fix that and start again$"):
        write_atomically(b"content", tmp_path / place)
    assert (tmp_path / "file").read_bytes() == b"x"
    assert not list(tmp_path.glob("*.unfinished"))


def test_md5_is_that_of_the_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    assert file_md5(tmp_path / "file") == hashlib.md5(content).hexdigest()
