"""Entering a whole result from its files: what DVC restored or pulled, or what MLflow has lost."""

import time
from pathlib import Path
from typing import NamedTuple

from mnist_vae.environment import load_environment
from mnist_vae.history import read_epochs, read_steps
from mnist_vae.model_file import Origin, load_origin
from mnist_vae.tracking.naming import new_run
from mnist_vae.tracking.operations import STAGES, EnterArtifact, EnterPoints, Entry, FinishStage, SetTags, Target
from mnist_vae.tracking.points import course_points, metric_points
from mnist_vae.tracking.store import Store, find_or_create
from mnist_vae.whole_file import file_md5


class ResultFiles(NamedTuple):
    """The files of a result, in a working copy."""

    model: Path
    epochs: Path
    steps: Path
    environment: Path
    metrics: Path
    figures: Path


def enter_result(files: ResultFiles, store: Store) -> str:
    """Enter all that the files hold and the latest run of that model lacks, into a new run if there is none.

    Returns the run's id. Raises StageError for a file that cannot be read, and what MLflow raises.
    """
    origin = load_origin(files.model)
    run_id = find_or_create(store, new_run(origin, None, reuse="any"))
    target = Target(store.client, run_id, {})
    for entry in _entries(files, origin, round(time.time() * 1000)):
        entry.apply(target)
    return run_id


def _entries(files: ResultFiles, origin: Origin, at: int) -> list[Entry]:
    epochs = read_epochs(files.epochs, origin.params.epochs)
    steps = read_steps(files.steps, origin.params.epochs * origin.params.steps_per_epoch)
    environment = load_environment(files.environment)
    artifacts = [("history", files.epochs), ("history", files.steps), ("", files.environment), ("", files.metrics)]
    artifacts += [("figures", path) for path in sorted(files.figures.iterdir())]
    return [
        SetTags(tags=environment._asdict() | {"model_md5": file_md5(files.model)}),
        EnterPoints(points=course_points(epochs, steps, at) + metric_points(files.metrics, at)),
        *(EnterArtifact(folder=folder, path=path) for folder, path in artifacts),
        *(FinishStage(stage=stage, at=at) for stage in STAGES),
    ]
