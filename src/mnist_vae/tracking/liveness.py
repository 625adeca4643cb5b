"""Telling runs that a process works on from those whose process died: by a lock, which ends with its process."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

_PATIENCE = 5  # seconds: the run of a process that died just now may be in the middle of being closed


class DeadStage(NamedTuple):
    """A stage of a training whose process ended without a word, and the lock that it had."""

    fingerprint: str
    stage: str
    lock: FileLock


def hold(root: Path, fingerprint: str, stage: str) -> FileLock | None:
    """Hold a training's run as alive in a stage, until it is let go or this process ends, however it ends.

    None if another process holds it in that stage.
    """
    folder = _folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{fingerprint}.{stage}")
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout:
        return None
    return lock


def let_go(lock: FileLock) -> None:
    """The run is no longer worked on, and was left as it should be."""
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def dead_stages(root: Path) -> Iterator[DeadStage]:
    """Those whose process did not let go. Their locks are held while they are looked at, and forgotten afterwards."""
    for path in sorted(_folder(root).glob("*")):
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        fingerprint, _, stage = path.name.partition(".")
        try:
            yield DeadStage(fingerprint, stage, lock)
        except BaseException:
            lock.release()  # somebody else may succeed
            raise
        let_go(lock)


def _folder(root: Path) -> Path:
    return root / ".dvc" / "tmp" / "runs"
