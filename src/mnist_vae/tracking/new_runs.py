"""Finding the run that is asked for, or making it."""

import json
from typing import TYPE_CHECKING

from mnist_vae.tracking.entries import NewRun
from mnist_vae.tracking.second_try import second_try
from mnist_vae.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run


def find_run(store: Store, new: NewRun) -> str | None:
    """The id of the run that `new` asks to use again, if there is one; first of all the one that it made itself."""
    same = f"tags.fingerprint = '{new.tags['fingerprint']}'"
    mine = f"{same} and tags.repository = '{new.tags['repository']}'"
    if made := _latest(store, f"{mine} and attributes.start_time = {new.at}"):
        return _completed(store, made, new)
    latest = _latest(store, mine)
    if new.reuse == "any":
        latest = latest or _latest(store, same)
    elif latest and latest.info.status == "FINISHED":
        latest = None
    return _completed(store, latest, new) if latest else None


def create_run(store: Store, new: NewRun) -> str:
    """Create the run, with its parameters, its tags and its data as input, and return its id."""
    # Its tags at once: without them nobody would find it if this breaks off.
    return _completed(store, store.client.create_run(store.experiment_id, new.at, new.tags, new.name), new)


def _latest(store: Store, query: str) -> "Run | None":
    found = store.client.search_runs([store.experiment_id], query, max_results=1, order_by=["start_time DESC"])
    return found[0] if found else None


def _completed(store: Store, run: "Run", new: NewRun) -> str:
    """The run's id, after what it lacks of its parameters and inputs was entered."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Param

    run_id = run.info.run_id
    if missing := new.params.keys() - run.data.params.keys():
        store.client.log_batch(run_id, params=[Param(name, new.params[name]) for name in sorted(missing)])
    if not (run.inputs and run.inputs.dataset_inputs):
        # As dvc.lock names it: `dvc get`, or `dvc pull` and the commit in the tags, bring that very file.
        source = {"path": "data/prepared.safetensors", "md5": new.data.md5}
        data = Dataset(new.data.name, new.data.md5, "dvc", json.dumps(source))
        inputs = [DatasetInput(data, [InputTag("mlflow.data.context", "training")])]
        second_try(lambda: store.client.log_inputs(run_id, inputs))
    return run_id
