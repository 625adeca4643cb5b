"""Finding the run that is asked for, or making it."""

import json

from mnist_vae.tracking.entries import NewRun
from mnist_vae.tracking.store import Store


def find_run(store: Store, new: NewRun) -> str | None:
    """The id of the run that `new` asks to use again, if there is one."""
    query = f"tags.fingerprint = '{new.tags['fingerprint']}'"
    runs = store.client.search_runs([store.experiment_id], query, max_results=1, order_by=["start_time DESC"])
    for run in runs:
        unfinished = run.info.status != "FINISHED" and run.data.tags.get("host") == new.tags["host"]
        if new.reuse == "any" or unfinished:
            return run.info.run_id
    return None


def create_run(store: Store, new: NewRun) -> str:
    """Create the run, with its parameters, its tags and its data as input, and return its id."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Param, RunTag

    client = store.client
    run_id = client.create_run(store.experiment_id, new.at, run_name=new.name).info.run_id
    client.log_batch(
        run_id,
        params=[Param(*one) for one in new.params.items()],
        tags=[RunTag(*one) for one in new.tags.items()],
    )
    # As dvc.lock names it: `dvc get`, or `dvc pull` and the commit in the tags, bring that very file.
    source = {"path": "data/prepared.safetensors", "md5": new.data.md5}
    data = Dataset(new.data.name, new.data.md5, "dvc", json.dumps(source))
    client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
    return run_id
