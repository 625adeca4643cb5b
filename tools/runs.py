"""DVC's experiments and MLflow's runs in one table, joined by the model that they made."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from experiments import experiment_commits, git, stages_of
from mnist_vae.console.stage import UserError
from mnist_vae.tracking.store import failures_in_a_line, open_store
from presets import ROOT
from text_table import aligned

_MODEL = "models/model.safetensors"
_MOST = 50_000  # runs, the most that MLflow gives
_HEADER = ("DVC", "commit", "MLflow run", "status", "kl_weight", "seed", "MSE [-1, 1]", "KL nats", "in")


class Experiment(NamedTuple):
    """A commit with results: its name, its hash, the md5 sum of its model, its parameters and its metrics."""

    name: str
    commit: str
    model_md5: str
    params: dict
    metrics: dict


class TrackedModel(NamedTuple):
    """A run in MLflow: the md5 sum of the model that it made, "" if none, its id and name, status, params, metrics."""

    model_md5: str
    run_id: str
    name: str
    status: str
    params: dict
    metrics: dict


def find_experiments(root: Path) -> Iterator[Experiment]:
    """The commit that is checked out, and all DVC experiments of the repository."""
    commits = {"HEAD": git(root, "rev-parse", "HEAD")} | experiment_commits(root)
    for name, commit in commits.items():
        train = stages_of(root, commit).get("train")
        if train:
            (model_md5,) = [out["md5"] for out in train["outs"] if out["path"] == _MODEL]
            metrics = json.loads(git(root, "show", f"{commit}:reports/metrics.json") or "{}")
            yield Experiment(name, commit, model_md5, train["params"]["params.yaml"], metrics)


def find_runs(root: Path) -> list[TrackedModel]:
    """The runs in the store, the latest first. Raises UserError if MLflow fails."""
    with failures_in_a_line():
        store = open_store(root)
        runs = store.client.search_runs([store.experiment_id], order_by=["start_time DESC"], max_results=_MOST)
    return [
        TrackedModel(
            run.data.tags.get("model_md5", ""),
            run.info.run_id,
            run.info.run_name or "",
            run.info.status,
            run.data.params,
            {name.removeprefix("test/"): value for name, value in run.data.metrics.items()},
        )
        for run in runs
    ]


def joined(experiments: list[Experiment], runs: list[TrackedModel]) -> list[tuple[str, ...]]:
    """The rows of the table: each experiment with the runs of its model, the latest first; then the runs of no
    experiment.
    """
    rows = []
    for one in experiments:
        beginning, numbers = (one.name, one.commit[:7]), _numbers(one.params, one.metrics)
        mine = [run for run in runs if run.model_md5 == one.model_md5]
        rows += [(*beginning, run.run_id[:8], run.status, *numbers, "both") for run in mine]
        if not mine:
            rows.append((*beginning, "", "", *numbers, "DVC only"))
    models = {one.model_md5 for one in experiments}
    others = [run for run in runs if run.model_md5 not in models]
    return rows + [
        ("", "", run.run_id[:8], run.status, *_numbers(run.params, run.metrics), "MLflow only") for run in others
    ]


def _numbers(params: dict, metrics: dict) -> tuple[str, ...]:
    mse, kl = metrics.get("mse_per_pixel_minus1_to_1"), metrics.get("kl_nats_per_image")
    shown = [f"{value:.4g}" if value is not None else "" for value in (mse, kl)]
    return str(params.get("kl_weight", "")), str(params.get("seed", "")), *shown


def as_text(rows: list[tuple[str, ...]]) -> str:
    """The table, for a terminal."""
    return aligned([_HEADER, *rows])


if __name__ == "__main__":
    try:
        print(as_text(joined(list(find_experiments(ROOT)), find_runs(ROOT))))
    except UserError as error:
        sys.exit(f"runs: {error}")
