"""The stages' calls of MLflow, with a tiny result and without computing, and the content of the store afterwards."""

import subprocess
import tempfile
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from safetensors.numpy import save_file

from builders import TINY, epoch_history, tiny_images, tiny_model
from mnist_vae.common import paths
from mnist_vae.common.atomic import file_md5
from mnist_vae.common.params import Params
from mnist_vae.data.history import save_history
from mnist_vae.model.file import Origin, save_model
from mnist_vae.tracking.run import TrackedRun, tracked_run
from mnist_vae.tracking.store import EXPERIMENT

EPOCHS, STEPS = 3, 4  # 1,339 digits are left to train on
PARAMS = TINY | {"epochs": 2.95, "batch_size": 400}  # the last epoch has fewer images, but as many steps


def make_repository(root: Path) -> Origin:
    """Make a folder with prepared data in which stages can run. Returns the origin of a training there.

    The folder is a Git repository without changes.
    """
    (root / ".dvc").mkdir(parents=True)
    identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")
    for command in (("init",), ("commit", "--allow-empty", "--message", "nothing")):
        subprocess.run(["git", *identity, *command, "--quiet"], cwd=root, check=True)
    (root / ".git" / "info" / "exclude").write_text("*")
    (root / paths.PARAMS).write_text(yaml.safe_dump(PARAMS))
    (root / paths.PREPARED).parent.mkdir()
    splits = ("train", "validation", "test")
    images = {f"{name}_images": tiny_images(3, seed=seed).numpy() for seed, name in enumerate(splits)}
    save_file(images | {f"{name}_labels": np.zeros(3, np.uint8) for name in splits}, root / paths.PREPARED)
    params = Params.model_validate(PARAMS).of_model()
    return Origin(params=params, data_md5=file_md5(root / paths.PREPARED), fingerprint="f" * 16)


def on_epoch_end(run: TrackedRun, epoch: int) -> None:
    """Call the run's callback as a training does at the end of an epoch."""
    training: Any = SimpleNamespace(histories=[epoch_history(epoch, STEPS, images_per_second=100.0 + epoch)])
    run.on_epoch_end(training)


def train(root: Path, origin: Origin, between: Callable[[int], object] = lambda _: None, first: int = 1) -> None:
    """Log as the train stage does, from the epoch `first`. `between` gets the number of each finished epoch."""
    with chdir(root), tracked_run("train", origin) as run:
        for epoch in range(first, EPOCHS + 1):
            on_epoch_end(run, epoch)
            between(epoch)
        save_model(tiny_model(), origin, paths.MODEL)
        save_history([epoch_history(epoch, STEPS) for epoch in range(1, EPOCHS + 1)], paths.EPOCHS, paths.STEPS)
        paths.ENVIRONMENT.write_text('{"environment": "cpu, 2 threads"}')


def evaluate(root: Path, origin: Origin, mse: float = 0.25) -> None:
    with chdir(root), tracked_run("evaluate", origin):
        paths.METRICS.write_text(f'{{"mse": {mse}, "kl_nats": 3.0}}')
        paths.CLASSES.write_text("class,kl_nats\n0,1.5\n1,2.5\n")


def render(root: Path, origin: Origin, picture: bytes = b"picture") -> None:
    with chdir(root), tracked_run("render", origin):
        paths.FIGURES.mkdir(exist_ok=True)
        (paths.FIGURES / "samples.png").write_bytes(picture)


STAGES = (train, evaluate, render)


def run_pipeline(root: Path, origin: Origin) -> None:
    """Run all stages in their order."""
    for stage in STAGES:
        stage(root, origin)


def artifact_of(client: MlflowClient, run: Run, path: str) -> bytes:
    """The content of a file of a run."""
    with tempfile.TemporaryDirectory() as folder:  # without a folder, MLflow leaves one in /tmp
        return Path(client.download_artifacts(run.info.run_id, path, folder)).read_bytes()


def contents(client: MlflowClient) -> list[dict]:
    """The content of each run, without times, ids, speed, and tags that depend on the place."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])
    return [_holds(client, run) for run in runs]


def _holds(client: MlflowClient, run: Run) -> dict:
    run_id = run.info.run_id
    points = {
        name: [(point.step, point.value) for point in client.get_metric_history(run_id, name)]
        for name in sorted(run.data.metrics)
        if not name.startswith(("system/", "speed/"))  # these are measured live and are in no file
    }
    files = [file.path for place in ("", "history", "figures") for file in client.list_artifacts(run_id, place)]
    varying = ("mlflow.", "repository", "git_", "host")
    tags = {name: value for name, value in run.data.tags.items() if not name.startswith(varying)}
    assert run.inputs is not None
    models = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'")
    return {
        "status": run.info.status,
        "params": run.data.params,
        "tags": tags,
        "points": points,
        "files": files,
        "description": run.data.tags.get("mlflow.note.content", "").replace(run_id, "RUN"),
        "data": [(entry.dataset.name, entry.dataset.digest) for entry in run.inputs.dataset_inputs],
        "models": [(model.status, model.tags["model_md5"]) for model in models],
    }
