"""Closing the runs of processes that died."""

import time
from pathlib import Path

from mnist_vae.tracking.delivery import Delivery
from mnist_vae.tracking.entering import enter
from mnist_vae.tracking.entries import StopStage
from mnist_vae.tracking.liveness import DeadStage, dead_stages
from mnist_vae.tracking.outbox import Outbox
from mnist_vae.tracking.repository import repository_id
from mnist_vae.tracking.store import Store, Target, reason_of


def close_dead_runs(store: Store, root: Path) -> list[str]:
    """Mark those runs KILLED that a process of this repository worked on when it died, and return their ids.

    What that process still had to say is entered first. A run that another process works on is left to that. Raises
    what MLflow raises.
    """
    closed = []
    for dead in dead_stages(root):
        if dead.is_taken_up:
            continue
        _deliver(dead, store, root)
        mine = f"tags.fingerprint = '{dead.fingerprint}' and tags.repository = '{repository_id(root)}'"
        for run in store.client.search_runs([store.experiment_id], f"{mine} and attributes.status = 'RUNNING'"):
            reason, at = "its process ended without a word", round(time.time() * 1000)
            stop = StopStage(stage=dead.stage, status="KILLED", reason=reason, at=at)
            enter(stop, Target(store, run.info.run_id, {}))
            closed.append(run.info.run_id)
    return closed


def _deliver(dead: DeadStage, store: Store, root: Path) -> None:
    try:
        Outbox(root, dead.fingerprint).deliver(Delivery(store, dead.stage).enter)
    except Exception as error:  # noqa: BLE001 (what one training's entries fail at must not keep back the others')
        print(f"what {dead.stage} had to say when it died waits on: {reason_of(error)}", flush=True)
