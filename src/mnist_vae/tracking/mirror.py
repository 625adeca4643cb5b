"""Entering a whole result from its files: what DVC restored or pulled, or what MLflow has lost."""

import time
from pathlib import Path
from typing import NamedTuple

from mnist_vae.common.params import load_params
from mnist_vae.data.environment import load_environment
from mnist_vae.data.history import read_epochs, read_steps
from mnist_vae.data.prepared import load_prepared
from mnist_vae.model.file import Origin, load_origin
from mnist_vae.tracking.entering import enter
from mnist_vae.tracking.entries import STAGES, EnterArtifact, EnterPoints, Entry, FinishStage, SetTags
from mnist_vae.tracking.model_entry import model_entries
from mnist_vae.tracking.naming import new_run
from mnist_vae.tracking.new_runs import create_run, find_run
from mnist_vae.tracking.points import course_points, metric_points
from mnist_vae.tracking.run import figure_tags
from mnist_vae.tracking.store import Store, Target


class ResultFiles(NamedTuple):
    """The files of a result, in a working copy."""

    params: Path
    prepared: Path
    model: Path
    epochs: Path
    steps: Path
    environment: Path
    metrics: Path
    figures: Path


def enter_result(files: ResultFiles, store: Store, root: Path) -> str:
    """Enter all that the files hold and the latest run of that model lacks, into a new run if there is none.

    Returns the run's id. Raises UserError for a file that cannot be read, and what MLflow raises.
    """
    origin = load_origin(files.model)
    new = new_run(root, origin, None, reuse="any")
    run_id = find_run(store, new) or create_run(store, new)
    target = Target(store, run_id, {})
    for entry in _entries(files, origin, round(time.time() * 1000)):
        enter(entry, target)
    return run_id


def _entries(files: ResultFiles, origin: Origin, at: int) -> list[Entry]:
    epochs = read_epochs(files.epochs, origin.params.epochs)
    steps = read_steps(files.steps, origin.params.epochs * origin.params.steps_per_epoch)
    tags = {"environment": load_environment(files.environment)} | figure_tags(load_params(files.params).of_figures())
    artifacts = [("history", files.epochs), ("history", files.steps), ("", files.environment), ("", files.metrics)]
    artifacts += [("figures", path) for path in sorted(files.figures.iterdir())]
    return [
        SetTags(tags=tags),
        EnterPoints(points=course_points(epochs, steps, at) + metric_points(files.metrics, at)),
        *(EnterArtifact(folder=folder, path=path) for folder, path in artifacts),
        *model_entries(files.model, load_prepared(files.prepared).validation),
        *(FinishStage(stage=stage, at=at) for stage in STAGES),
    ]
