"""Enters into MLflow what a stage leaves in its outbox, in a process beside the stage's: see recorder_process.py.

Its standard input says that there is more; the end of it, that the stage is over.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from mnist_vae.tracking.dead_runs import close_dead_runs
from mnist_vae.tracking.delivery import Delivery
from mnist_vae.tracking.entries import FinishStage, StopStage, Waiting
from mnist_vae.tracking.outbox import Outbox
from mnist_vae.tracking.store import open_store, reason_of
from mnist_vae.tracking.system_load import SystemLoad


def record(root: Path, fingerprint: str, stage: str, waited: int, more: Callable[[], bool]) -> None:
    """Enter what is in the outbox and, as long as `more` returns true, what comes; then close a run whose stage died.

    `waited` entries are of earlier stages. The first failure of MLflow is printed, and ends this; the rest stays.
    """
    try:
        _record(root, fingerprint, stage, waited, more)
    except Exception as error:  # noqa: BLE001 (a tracking store can fail in any way; the training must not)
        print(
            f"{stage}: MLflow failed, so this stage goes on without it: {reason_of(error)}; what it enters is"
            " kept for a later stage or `make track`",
            flush=True,
        )


def _record(root: Path, fingerprint: str, stage: str, waited: int, more: Callable[[], bool]) -> None:
    store, outbox = open_store(root), Outbox(root, fingerprint)
    close_dead_runs(store, root)
    delivery, load = Delivery(store, stage), SystemLoad(store)

    def enter(waiting: Waiting) -> None:
        is_last = isinstance(waiting.entry, FinishStage | StopStage)
        if is_last:
            load.finish()
        delivery.enter(waiting)
        if stage == "train" and not is_last:
            load.start(delivery.target.run_id)

    outbox.deliver(enter)
    if waited:
        print(f"{stage}: MLflow is back: {waited} entries that had waited are in it", flush=True)
    while more():
        outbox.deliver(enter)
    outbox.deliver(enter)
    load.finish()
    close_dead_runs(store, root)


class _More:
    """Waits for standard input; being asked for the first time, it tells the stage that the store is open."""

    def __init__(self, ready: int):
        self._ready: int | None = ready

    def __call__(self) -> bool:
        if self._ready is not None:
            os.close(self._ready)
            self._ready = None
        return bool(os.read(0, 1 << 16))


if __name__ == "__main__":
    record(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), _More(int(sys.argv[5])))
