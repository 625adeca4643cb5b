"""Stopping runs, also orphaned ones, whose process died.

A process holds a lock while it works on a run, and the system releases the lock when the process dies.
"""

from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from mnist_vae.console.stage import without_password
from mnist_vae.tracking.store import Store

_LONGEST_TAG = 5000
_REASON = "its process ended without giving a reason"


def repository_id(root: Path) -> str:
    """An id that distinguishes this repository's runs from others in the same store. It survives moving the folder."""
    place = root / ".dvc" / "tmp" / "repository"
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{place}.lock"):
        if not place.exists():
            place.write_text(uuid4().hex)
        return place.read_text("utf-8")


class RunLock:
    """A lock that this process holds while it works on the runs with a fingerprint.

    If the process dies, or releases the lock without the run being settled, the next command that calls close_orphans
    closes the run.
    """

    def __init__(self, root: Path, fingerprint: str, stage: str):
        folder = _folder(root)
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{fingerprint}.{stage}.{uuid4().hex[:8]}"
        self._lock = FileLock(self._path)
        self._lock.acquire()

    def release(self, *, settled: bool) -> None:
        """Release the lock. The run is settled if MLflow knows how the work ended."""
        if settled:
            self._path.unlink(missing_ok=True)
        self._lock.release()


def close_orphans(store: Store, root: Path) -> list[str]:
    """Mark orphaned runs as KILLED, and return their ids. Raises what MLflow raises.

    A run is orphaned if the process that worked on it died and no other process works on it.
    """
    closed = []
    for path in sorted(_folder(root).glob("*.*.*")):
        try:
            with FileLock(path).acquire(timeout=0):
                fingerprint, stage, _ = path.name.split(".")
                if not _is_taken(root, fingerprint, path):
                    closed += _close(store, root, fingerprint, stage)
                path.unlink(missing_ok=True)
        except Timeout:
            continue  # its process is still alive
    return closed


def stop(store: Store, run_id: str, stage: str, status: str, reason: str) -> None:
    """Mark a run as FAILED or KILLED in a stage, and log the reason. Raises what MLflow raises."""
    store.client.set_tag(run_id, f"stage.{stage}", status.lower())
    store.client.set_tag(run_id, "reason", without_password(f"{stage}: {reason}")[:_LONGEST_TAG])
    store.client.set_terminated(run_id, status)


def _is_taken(root: Path, fingerprint: str, orphan: Path) -> bool:
    for path in set(_folder(root).glob(f"{fingerprint}.*")) - {orphan}:
        try:
            FileLock(path).acquire(timeout=0).lock.release()
        except Timeout:
            return True
    return False


def _close(store: Store, root: Path, fingerprint: str, stage: str) -> list[str]:
    mine = f"tags.fingerprint = '{fingerprint}' and tags.repository = '{repository_id(root)}'"
    runs = store.client.search_runs([store.experiment_id], f"{mine} and attributes.status = 'RUNNING'")
    for run in runs:
        stop(store, run.info.run_id, stage, "KILLED", _REASON)
    return [run.info.run_id for run in runs]


def _folder(root: Path) -> Path:
    return root / ".dvc" / "tmp" / "runs"
