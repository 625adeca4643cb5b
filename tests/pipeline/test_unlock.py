"""tools/unlock.py: DVC's lock is removed if no DVC holds it, and only then."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from unlock import unlock
from working_copy import WorkingCopy


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    return tmp_path / ".dvc" / "tmp" / "rwlock"


@pytest.fixture
def running_dvc(tmp_path: Path) -> Iterator[int]:
    """The id of a process that is started as DVC is."""
    (tmp_path / "dvc").write_text("import time; time.sleep(600)")
    with subprocess.Popen([sys.executable, str(tmp_path / "dvc"), "repro"]) as process:
        yield process.pid
        process.kill()


def _held_by(pid: int) -> str:
    holder = {"pid": pid, "cmd": "dvc repro"}
    return json.dumps({"write": {"/place/dvc.lock": holder, "/place/gone": {}}, "read": {"/place/stages": [holder]}})


def test_lock_of_a_running_dvc_is_kept(lock: Path, running_dvc: int, tmp_path: Path) -> None:
    lock.write_text(_held_by(running_dvc))
    assert unlock(tmp_path) == ""
    assert lock.exists()


@pytest.mark.parametrize("content", [_held_by(os.getpid()), _held_by(2**22 + 1), "", "{", "[]", '{"write": {"a": 1}}'])
def test_lock_that_no_dvc_holds_is_removed_with_a_message(lock: Path, tmp_path: Path, content: str) -> None:
    lock.write_text(content)
    assert unlock(tmp_path) == ".dvc/tmp/rwlock was left by a DVC command that no longer runs, and is removed now"
    assert not lock.exists()


@pytest.mark.parametrize("content", [None, '{"write": {}, "read": {}}'])
def test_unlock_prints_nothing_without_a_lock(lock: Path, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        lock.write_text(content)
    assert unlock(tmp_path) == ""


def test_make_repro_gets_past_a_lock_that_names_another_program(clone: WorkingCopy) -> None:
    clone.give_environment()
    clone.set_param("dataset", "digits")
    clone.set_param("epochs", 0)  # so that it ends at once, in the first stage
    (clone.folder / ".dvc" / "tmp").mkdir()
    held = json.dumps({"write": {str(clone.folder / "dvc.yaml"): {"pid": os.getpid(), "cmd": "dvc"}}, "read": {}})
    busy = held.replace("dvc.yaml", "data/raw/digits")
    (clone.folder / ".dvc" / "tmp" / "rwlock").write_text(busy)
    assert "is busy" in clone.run("dvc", "repro").stdout
    printed = clone.run("make", "repro").stdout
    assert "rwlock was left by a DVC command that no longer runs, and is removed now" in printed
    assert "epochs is 0" in printed
