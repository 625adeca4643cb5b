"""Run presets of binarised images as DVC experiments, and collect the likelihoods of all that are finished.

The results are written to reports/likelihood: the numbers of each preset with its commit, machine and training time,
and a figure of the bounds by the number of samples. Earlier results of other presets are kept there. Then type
`python tools/readme.py` to write the tables of docs/likelihood.md.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from command import ROOT, run_command

from experiments import git, require_whole_clone
from mnist_vae.common import paths
from mnist_vae.common.params import check_params
from mnist_vae.console.stage import UserError
from mnist_vae.figures.likelihood import Curve, bounds_figure
from mnist_vae.figures.style import save_png
from mnist_vae.tracking.store import failures_in_a_line, open_store
from presets import Preset, Result, add_jobs_option, find_result, load_presets, load_result, run_missing

FOLDER = Path("reports/likelihood")
FILE = FOLDER / "likelihood.json"
LATER = {"sticking_the_landing": False}  # parameters that some results are older than, and what was done before
BOUND = "nll_nats_k"  # how the names of the bounds begin in metrics.json


class Kept(NamedTuple):
    """A preset, and the commit and the numbers of its collected result."""

    preset: Preset
    commit: str
    metrics: dict


def load_results(root: Path) -> dict[str, dict]:
    """What was collected of each preset."""
    path = root / FILE
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def kept_results(presets: Sequence[Preset], root: Path) -> list[Kept]:
    """The collected results of those presets whose parameters have not changed since."""
    results, kept = load_results(root), []
    for preset in presets:
        if result := results.get(preset.name):
            try:
                params = check_params(LATER | result["params"], str(FILE))
            except UserError:  # the parameters, or the values that they may have, have changed
                continue
            if params == preset.params:
                kept.append(Kept(preset, result["commit"], result["metrics"]))
    return kept


def bounds_of(metrics: dict) -> dict[int, float]:
    """The upper bounds on the negative log-likelihood by the number of samples, in its order."""
    bounds = {int(name.removeprefix(BOUND)): value for name, value in metrics.items() if name.startswith(BOUND)}
    return dict(sorted(bounds.items()))


def training_seconds(model_md5: str, images_of_epochs: Sequence[int], root: Path) -> float | None:
    """The seconds that the epochs of a model's training took together, validation included, from the speeds in MLflow.

    None if MLflow does not have them: of a training elsewhere, or one that DVC restored.
    """
    with failures_in_a_line():
        store = open_store(root)
        query = f"tags.model_md5 = '{model_md5}'"
        for run in store.client.search_runs([store.experiment_id], query, order_by=["start_time DESC"]):
            speeds = store.client.get_metric_history(run.info.run_id, "speed/images_per_second")
            if speeds:
                return sum(images_of_epochs[speed.step - 1] / speed.value for speed in speeds)
    return None


def collect(presets: Sequence[Preset], root: Path) -> list[str]:
    """Put the results of the finished presets beside the kept ones, draw all bounds, and return the presets' names."""
    results, found = load_results(root), []
    for preset in presets:
        if find_result(preset, root):
            found.append(preset.name)
            results[preset.name] = _content(load_result(preset, root), root)
    names = [preset.name for preset in presets if preset.name in results]
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    (root / FILE).write_text(json.dumps({name: results[name] for name in names}, indent=2) + "\n", "utf-8")
    curves = [Curve(name, bounds_of(results[name]["metrics"])) for name in names]
    if curves:
        save_png(bounds_figure(curves), root / FOLDER / "bounds.png")
    return found


def _content(result: Result, root: Path) -> dict:
    preset, experiment, metrics = result
    images_of_epochs = preset.params.images_of_epochs(preset.params.train_size or 0)
    seconds = training_seconds(experiment.model_md5, images_of_epochs, root)
    return {
        "commit": git(root, "rev-parse", f"{experiment.commit}^"),
        "environment": json.loads(experiment.read(paths.ENVIRONMENT, root))["environment"],
        "training_seconds": None if seconds is None else round(seconds),
        "params": preset.params.model_dump(mode="json"),
        "metrics": metrics,
    }


def likelihoods(names: Sequence[str], jobs: int, root: Path) -> None:
    """Run the named presets that have no result, and collect all results. Raises UserError for an unknown name."""
    require_whole_clone(root)
    presets = [preset for preset in load_presets(root) if preset.params.binarisation != "none"]
    if unknown := sorted(set(names) - {preset.name for preset in presets}):
        known = ", ".join(preset.name for preset in presets)
        raise UserError(f"{unknown[0]!r} is not a preset of binarised images; those are {known}")
    run_missing([preset for preset in presets if preset.name in names], jobs, root)
    found = collect(presets, root)
    print(f"likelihood: results of {', '.join(found) or 'no preset'} collected in {FOLDER}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="presets that are run first, unless they are finished")
    add_jobs_option(parser)
    asked = parser.parse_args()
    likelihoods(asked.names, asked.jobs, ROOT)


if __name__ == "__main__":
    run_command(main)
