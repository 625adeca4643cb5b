"""Telling runs that a process works on from those whose process died: by a lock, which ends with its process."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout


class DeadStage(NamedTuple):
    """A stage of a training whose process ended without a word, and whether another process works on that run."""

    fingerprint: str
    stage: str
    is_taken_up: bool


def hold(root: Path, fingerprint: str, stage: str) -> FileLock:
    """Hold a training's run as alive in a stage, until it is let go or this process ends, however it ends."""
    folder = _folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{fingerprint}.{stage}.{os.getpid()}")
    lock.acquire()
    return lock


def let_go(lock: FileLock) -> None:
    """The run is no longer worked on, and was left as it should be."""
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def dead_stages(root: Path) -> Iterator[DeadStage]:
    """Those whose process did not let go. They are forgotten once they were looked at."""
    for path in sorted(_folder(root).glob("*")):
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        fingerprint, stage, _ = path.name.split(".")
        try:
            yield DeadStage(fingerprint, stage, _is_alive(root, fingerprint, path))
        except BaseException:
            lock.release()  # somebody else may succeed
            raise
        let_go(lock)


def _is_alive(root: Path, fingerprint: str, dead: Path) -> bool:
    for path in set(_folder(root).glob(f"{fingerprint}.*")) - {dead}:
        try:
            with FileLock(path).acquire(timeout=0):
                continue  # dead, too
        except Timeout:
            return True
    return False


def _folder(root: Path) -> Path:
    return root / ".dvc" / "tmp" / "runs"
