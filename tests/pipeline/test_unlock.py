"""tools/unlock.py: DVC's lock is removed if no DVC holds it, and only then, and a truncated dvc.lock is repaired."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from places import REPOSITORY
from unlock import repair, unlock
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


_RECORD = (REPOSITORY / "dvc.lock").read_bytes()
_TRAIN, _EVALUATE = (_RECORD.index(f"\n  {stage}:\n".encode()) + 1 for stage in ("train", "evaluate"))


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b"", None),
        (b"schema: '2.0'\nstages:\n", None),
        (_RECORD[: len(_RECORD) // 9], None),
        (_RECORD[: _TRAIN + 9], _RECORD[:_TRAIN]),
        (_RECORD[: _EVALUATE + len("  evaluate:\n")], _RECORD[:_EVALUATE]),
        (_RECORD[: _EVALUATE - 1], _RECORD[:_TRAIN]),  # nobody can tell that only the last line feed is missing
    ],
    ids=["empty", "head", "first stage", "train", "before a command", "without a line feed"],
)
def test_truncated_record_keeps_its_whole_stages(tmp_path: Path, content: bytes, kept: bytes | None) -> None:
    (tmp_path / "watch").mkdir()
    for name, copy in (("dvc.lock", "dvc.lock.damaged"), ("watch/dvc.lock", "watch-dvc.lock.damaged")):
        record = tmp_path / name
        record.write_bytes(content)
        assert repair(tmp_path) == [
            f"{name} was damaged, so its last stages run again or are restored; the former file is .dvc/tmp/{copy}"
        ]
        assert (record.read_bytes() if record.exists() else None) == kept
        assert (tmp_path / ".dvc" / "tmp" / copy).read_bytes() == content


@pytest.mark.parametrize("content", [None, _RECORD, _RECORD.replace(b"stages:", b"<<<<<<< HEAD\nstages:", 1)])
def test_whole_record_and_one_with_a_merge_conflict_are_left_alone(tmp_path: Path, content: bytes | None) -> None:
    record = tmp_path / "dvc.lock"
    if content is not None:
        record.write_bytes(content)
    assert repair(tmp_path) == []
    assert (record.read_bytes() if record.exists() else None) == content


def test_make_repro_restores_the_stages_that_a_truncated_record_lacks(reproduced: WorkingCopy, tmp_path: Path) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    record = copy.folder / "dvc.lock"
    whole = record.read_bytes()
    record.write_bytes(whole[: len(whole) // 2])
    assert "dvc.lock' is invalid" in copy.run("dvc", "repro").stdout
    printed = copy.succeed("make", "repro")
    assert "dvc.lock was damaged" in printed
    assert "Running stage" not in printed  # DVC's run cache has the results
    assert record.read_bytes() == whole
    assert copy.outputs() == reproduced.outputs()
