"""The models that somebody chose, under one name, in MLflow's registry."""

from mnist_vae.console.stage import UserError
from mnist_vae.tracking.store import Store

NAME = "mnist-vae"


def register(store: Store, run_id: str, alias: str) -> int:
    """Let the alias stand for the run's model, as a version of NAME, which is made unless there is one. Returns it.

    Raises UserError if the run holds no finished model, and what MLflow raises.
    """
    import mlflow

    client = store.client
    models = client.search_logged_models([store.experiment_id], f"source_run_id = '{run_id}'")
    ready = [model for model in models if model.status == "READY"]
    if not ready:
        raise UserError(f"run {run_id} holds no model")
    latest = max(ready, key=lambda model: model.creation_timestamp)
    if not client.search_registered_models(f"name = '{NAME}'"):
        client.create_registered_model(NAME)
    source = f"models:/{latest.model_id}"
    known = client.search_model_versions(f"name = '{NAME}'")
    version = next((one.version for one in known if one.source in {source, latest.artifact_location}), None)
    if version is None:
        mlflow.set_tracking_uri(client.tracking_uri)  # by which MLflow finds the source
        version = client.create_model_version(NAME, source, run_id, model_id=latest.model_id).version
    client.set_registered_model_alias(NAME, alias, str(version))
    return int(version)
