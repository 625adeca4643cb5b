"""Closing the runs of processes that died."""

import time
from pathlib import Path

from mnist_vae.provenance import host
from mnist_vae.tracking.delivery import Delivery
from mnist_vae.tracking.entering import enter
from mnist_vae.tracking.entries import StopStage
from mnist_vae.tracking.liveness import dead_stages
from mnist_vae.tracking.outbox import Outbox
from mnist_vae.tracking.store import Store, Target


def close_dead_runs(store: Store, root: Path) -> list[str]:
    """Mark those runs KILLED that a process of this repository worked on when it died, and return their ids.

    What that process still had to say is entered first. Raises what MLflow raises.
    """
    closed = []
    for dead in dead_stages(root):
        Outbox(root, dead.fingerprint).deliver(Delivery(store, dead.stage).enter)
        query = f"tags.fingerprint = '{dead.fingerprint}' and tags.host = '{host()}' and attributes.status = 'RUNNING'"
        for run in store.client.search_runs([store.experiment_id], query):
            reason, at = "its process ended without a word", round(time.time() * 1000)
            stop = StopStage(stage=dead.stage, status="KILLED", reason=reason, at=at)
            enter(stop, Target(store, run.info.run_id, {}))
            closed.append(run.info.run_id)
    return closed
