"""Entering into MLflow. Whatever is entered a second time changes nothing."""

import tempfile
from pathlib import Path

from mnist_vae.tracking.description import describe
from mnist_vae.tracking.entries import (
    STAGES,
    BeginStage,
    EnterArtifact,
    EnterModel,
    EnterPoints,
    Entry,
    FinishStage,
    Point,
    SetTags,
    StopStage,
)
from mnist_vae.tracking.packaging import save_pyfunc
from mnist_vae.tracking.store import Target

_METRICS_A_CALL = 1000  # MLflow refuses more
_LONGEST_TAG = 5000
_MODEL = "model"  # the name of a run's model


def enter(entry: Entry, target: Target) -> None:
    """Enter an entry into a run. Raises what MLflow raises."""
    client, run_id = target.store.client, target.run_id
    match entry:
        case EnterPoints():
            _enter_points(entry.points, target)
        case EnterArtifact():
            client.log_artifact(run_id, str(entry.path), entry.folder or None)
        case EnterModel():
            _enter_model(entry, target)
        case SetTags():
            _set_tags(entry.tags, target)
        case BeginStage():
            client.set_tag(run_id, f"stage.{entry.stage}", "running")
            client.update_run(run_id, status="RUNNING")
        case FinishStage():
            _finish(entry, target)
        case StopStage():
            reason = f"{entry.stage}: {entry.reason}"[:_LONGEST_TAG]
            _set_tags({f"stage.{entry.stage}": entry.status.lower(), "reason": reason}, target)
            client.set_terminated(run_id, entry.status, entry.at)


def _enter_points(points: list[Point], target: Target) -> None:
    from mlflow.entities import Metric

    missing = [Metric(one.name, one.value, one.at, one.step) for one in points if not _has(target, one)]
    for start in range(0, len(missing), _METRICS_A_CALL):
        target.store.client.log_batch(target.run_id, metrics=missing[start : start + _METRICS_A_CALL])
    for one in missing:
        target.entered[one.key].setdefault(one.step, set()).add((one.timestamp, one.value))


def _has(target: Target, point: Point) -> bool:
    # MLflow would keep a second point for the same step. The course of training is what it is, but a test's number
    # changes with the code that measures it.
    if point.name not in target.entered:
        values = target.entered[point.name] = {}
        for old in target.store.client.get_metric_history(target.run_id, point.name):
            values.setdefault(old.step, set()).add((old.timestamp, old.value))
    there = target.entered[point.name].get(point.step, set())
    if not (there and point.name.startswith("test/")):
        return bool(there)
    return (point.at, point.value) in there or max(there)[1] == point.value


def _set_tags(tags: dict[str, str], target: Target) -> None:
    from mlflow.entities import RunTag

    target.store.client.log_batch(target.run_id, tags=[RunTag(*one) for one in tags.items()])


def _enter_model(entry: EnterModel, target: Target) -> None:
    from mlflow.entities import LoggedModelOutput

    client, experiment_id = target.store.client, target.store.experiment_id
    for model in client.search_logged_models([experiment_id], f"source_run_id = '{target.run_id}'"):
        if model.tags.get("model_md5") == entry.md5:
            if model.status == "READY":
                return
            client.delete_logged_model(model.model_id)  # broken off by a kill
    params = client.get_run(target.run_id).data.params
    tags = {"model_md5": entry.md5}
    model = client.create_logged_model(experiment_id, _MODEL, target.run_id, tags, params, "variational autoencoder")
    with tempfile.TemporaryDirectory() as folder:
        save_pyfunc(entry, target.run_id, model.model_id, Path(folder) / _MODEL)
        client.log_model_artifacts(model.model_id, str(Path(folder) / _MODEL))
    client.log_outputs(target.run_id, [LoggedModelOutput(model.model_id, step=0)])
    client.finalize_logged_model(model.model_id, "READY")


def _finish(entry: FinishStage, target: Target) -> None:
    client = target.store.client
    client.set_tag(target.run_id, f"stage.{entry.stage}", "finished")
    describe(target)
    tags = client.get_run(target.run_id).data.tags
    if "reason" in tags:  # of an earlier try
        client.delete_tag(target.run_id, "reason")
    if all(tags.get(f"stage.{stage}") == "finished" for stage in STAGES):
        client.set_terminated(target.run_id, "FINISHED", entry.at)
    else:
        client.update_run(target.run_id, status="SCHEDULED")
