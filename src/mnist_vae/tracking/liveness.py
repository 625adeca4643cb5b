"""Telling runs that a process works on from those whose process died."""

import time
from pathlib import Path

from filelock import FileLock, Timeout

from mnist_vae.tracking.operations import StopStage, Target
from mnist_vae.tracking.store import Store


def hold(root: Path, run_id: str, stage: str) -> FileLock | None:
    """Hold a run as alive in a stage, until it is let go or this process ends, however it ends.

    None if another process holds it in that stage.
    """
    folder = _folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{run_id}.{stage}")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def let_go(lock: FileLock) -> None:
    """The run is no longer worked on, and was left as it should be."""
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def close_dead_runs(store: Store, root: Path) -> list[str]:
    """Mark those runs KILLED that a process of this repository held when it died, and return their ids."""
    closed = []
    for path in sorted(_folder(root).glob("*")):
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            run_id, _, stage = path.name.partition(".")
            if _close(store, run_id, stage):
                closed.append(run_id)
        finally:
            let_go(lock)
    return closed


def _close(store: Store, run_id: str, stage: str) -> bool:
    from mlflow import MlflowException

    try:
        run = store.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # it is in another store
            raise
        return False
    if run.info.status != "RUNNING":
        return False
    reason = "its process ended without a word"
    StopStage(stage=stage, status="KILLED", reason=reason, at=round(time.time() * 1000)).apply(
        Target(store.client, run_id, {})
    )
    return True


def _folder(root: Path) -> Path:
    return root / ".dvc" / "tmp" / "runs"
