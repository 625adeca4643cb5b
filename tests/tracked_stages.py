"""What the stages enter into MLflow, without the stages, and what a store then holds."""

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run

from builders import tiny_images, tiny_model
from mnist_vae.data.history import EpochHistory, EpochRow, StepRow
from mnist_vae.data.prepared import Split
from mnist_vae.model.file import Origin, TrainedModel, save_model
from mnist_vae.tracking.run import TrackedRun, track_known_run, track_training_run
from mnist_vae.tracking.store import EXPERIMENT
from recorder_thread import RecorderThread

ENVIRONMENT = "cpu, 2 threads, AVX2, torch 2.13.0"
EPOCHS = 3


def history(epoch: int) -> EpochHistory:
    steps = [StepRow(epoch, 4 * (epoch - 1) + step, 1 / (epoch + step)) for step in range(1, 5)]
    return EpochHistory(EpochRow(epoch, 0.5 / epoch, 10.0, 3.0, 0.4, 9.0, 2.0), steps)


def training_run(root: Path, origin: Origin) -> AbstractContextManager[TrackedRun]:
    """The run of the train stage."""
    return track_training_run(RecorderThread(root, "train"), origin, ENVIRONMENT)


def known_run(stage: str, root: Path, origin: Origin) -> AbstractContextManager[TrackedRun]:
    """The run of a later stage."""
    return track_known_run(RecorderThread(root, stage), origin)


def enter_training(root: Path, origin: Origin, epochs: range = range(1, EPOCHS + 1)) -> None:
    """What the train stage enters."""
    with training_run(root, origin) as run:
        for epoch in epochs:
            run.log_epoch(history(epoch), images_per_second=100.0 + epoch)
        enter_end_of_training(root, origin, run)


def enter_end_of_training(root: Path, origin: Origin, run: TrackedRun) -> None:
    """What the train stage enters when the last epoch is over."""
    save_model(TrainedModel(tiny_model(), origin), root / "model.safetensors")
    images = Split(tiny_images(3).numpy(), np.zeros(3, np.uint8))
    run.log_model(root / "model.safetensors", images)
    (root / "epochs.csv").write_text("epoch\n1\n")
    run.log_artifacts("history", root / "epochs.csv")


def enter_evaluation(root: Path, origin: Origin) -> None:
    with known_run("evaluate", root, origin) as run:
        (root / "metrics.json").write_text('{"mse": 0.25, "kl_by_class": {"0": 1.5, "1": 2.5}}')
        run.log_metrics(root / "metrics.json")


def enter_figures(root: Path, origin: Origin) -> None:
    with known_run("render", root, origin) as run:
        (root / "samples.png").write_bytes(b"picture")
        run.log_artifacts("figures", root / "samples.png")


STAGES = (enter_training, enter_evaluation, enter_figures)


def contents(client: MlflowClient) -> list[dict]:
    """What each run holds, but for times and ids."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])
    return [_holds(client, run) for run in runs]


def _holds(client: MlflowClient, run: Run) -> dict:
    points = {
        name: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]
        for name in sorted(run.data.metrics)
        if not name.startswith("system/")  # the machine's load, which depends on the time
    }
    files = [
        file.path for place in ("", "history", "figures") for file in client.list_artifacts(run.info.run_id, place)
    ]
    tags = {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")}
    del tags["repository"]
    assert run.inputs is not None
    models = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    return {
        "status": run.info.status,
        "params": run.data.params,
        "tags": tags,
        "points": points,
        "files": files,
        "description": run.data.tags.get("mlflow.note.content", "").replace(run.info.run_id, "RUN"),
        "data": [(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs],
        "models": [(model.status, model.tags["model_md5"]) for model in models],
    }


def enter_pipeline(root: Path, origin: Origin) -> None:
    """All that a pipeline enters, stage by stage."""
    for stage in STAGES:
        stage(root, origin)
