"""Enters into MLflow what a stage leaves in its outbox, in a process beside the stage's: see recorder_process.py.

The first line of its standard input says which outbox; each further one, that there is more in it; the end, that the
stage is over.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mnist_vae.tracking.dead_runs import close_dead_runs
from mnist_vae.tracking.delivery import Delivery
from mnist_vae.tracking.entries import FinishStage, StopStage, Waiting
from mnist_vae.tracking.outbox import Outbox
from mnist_vae.tracking.store import Store, open_store, reason_of
from mnist_vae.tracking.system_load import SystemLoad


class Beginning(NamedTuple):
    """Whose outbox it is, and how many entries of earlier stages are in it."""

    fingerprint: str
    waited: int


def record(root: Path, stage: str, begin: Callable[[], Beginning | None], more: Callable[[], bool]) -> None:
    """Enter what is in the outbox that `begin` returns, if the stage came to that, and what comes as long as `more`
    returns true; then close a run whose stage died.

    The first failure of MLflow is printed, and ends this; the rest stays. The store is opened before `begin` is called.
    """
    opened = _open(root)
    beginning = begin()
    if beginning is None:
        return
    try:
        if isinstance(opened, Exception):
            raise opened
        _record(root, opened, stage, beginning, more)
    except Exception as error:  # noqa: BLE001 (a tracking store can fail in any way; the training must not)
        print(
            f"{stage}: MLflow failed, so this stage goes on without it: {reason_of(error)}; what it enters is"
            " kept for a later stage or `make track`",
            flush=True,
        )


def _open(root: Path) -> Store | Exception:
    try:
        return open_store(root)
    except Exception as error:  # noqa: BLE001 (as above)
        return error


def _record(root: Path, store: Store, stage: str, beginning: Beginning, more: Callable[[], bool]) -> None:
    outbox = Outbox(root, beginning.fingerprint)
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
    if beginning.waited:
        print(f"{stage}: MLflow is back: {beginning.waited} entries that had waited are in it", flush=True)
    while more():
        outbox.deliver(enter)
    outbox.deliver(enter)
    load.finish()
    close_dead_runs(store, root)


class _Input:
    """Standard input; being asked for more the first time, it tells the stage that the store is open."""

    def __init__(self, ready: int):
        self._ready: int | None = ready

    def begin(self) -> Beginning | None:
        # What else the stage has said by now needs no answer: all that is in the outbox is entered at the start.
        first = os.read(0, 1 << 16).partition(b"\n")[0]
        return Beginning(**json.loads(first)) if first else None

    def more(self) -> bool:
        if self._ready is not None:
            os.close(self._ready)
            self._ready = None
        return bool(os.read(0, 1 << 16))


if __name__ == "__main__":
    source = _Input(ready=int(sys.argv[3]))
    record(Path(sys.argv[1]), sys.argv[2], source.begin, source.more)
