"""Run every preset as a DVC experiment, and compare the results in reports/comparison.

Presets of binarised images take hours. They run only if you name them. All finished ones are compared.

If you stop the tool and start it again, it resumes: it keeps the finished experiments, and DVC restores the finished
stages of the others.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from command import ROOT, run_command

from experiments import CommittedFiles, Experiment, Running, git, require_whole_clone, start_experiment
from mnist_vae.common import paths
from mnist_vae.common.catalogue import dataset_title
from mnist_vae.console.stage import UserError
from mnist_vae.data.prepared import load_class_names
from mnist_vae.figures.arrays import load_pictures
from mnist_vae.figures.comparison import Member, System, autoencoder_pairs, rate_distortion, side_by_side
from mnist_vae.figures.style import save_png
from mnist_vae.page.comparison import Compared, render_comparison
from presets import Preset, find_result, load_presets

FOLDER = Path("reports/comparison")


class Result(NamedTuple):
    """A preset, its experiment, and the numbers in the experiment's metrics.json."""

    preset: Preset
    experiment: Experiment
    metrics: dict


def run_missing(presets: Sequence[Preset], jobs: int, root: Path) -> None:
    """Run the presets that have no result, up to `jobs` at a time.

    If one fails, stop the others and raise UserError.
    """
    waiting = [preset for preset in presets if find_result(preset, root) is None]
    running: list[Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                preset = waiting.pop(0)
                running.append(start_experiment(preset.name, preset.settings(), root))
                print(f"compare: {preset.name} is running; to follow it: tail -f {running[-1].log}", flush=True)
            for ended in [one for one in running if one.process.poll() is not None]:
                ended.wait()
                running.remove(ended)
                print(f"compare: {ended.name} is finished", flush=True)
            time.sleep(0.5)
    finally:
        for one in running:
            one.stop()


def load_result(preset: Preset, root: Path) -> Result:
    """A preset's finished experiment. Raises UserError if there is none."""
    experiment = find_result(preset, root)
    if experiment is None:
        raise UserError(
            f"DVC kept no result of {preset.name}: the code, the presets or the commit changed during the run; start"
            " again"
        )
    return Result(preset, experiment, json.loads(experiment.read(paths.METRICS, root)))


def write_comparison(results: Sequence[Result], root: Path) -> None:
    """The numbers of all presets, the rate-distortion plot, each autoencoder beside its VAE, and the page of all."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    systems = {
        one.preset.name: {"params": one.preset.params.model_dump(mode="json"), "metrics": one.metrics}
        for one in results
    }
    content = {"commit": git(root, "rev-parse", "HEAD"), "systems": systems}
    (folder / "comparison.json").write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    points = [
        System(
            one.preset.name,
            one.preset.params,
            one.metrics["kl_nats"],
            one.metrics["mse_minus1_to_1"],
        )
        for one in results
    ]
    commits = {one.preset.name: one.experiment.commit for one in results}
    data = dataset_title(points[0].params.dataset)
    save_png(rate_distortion(points, f"{data}: rate and distortion of each system"), folder / "rate_distortion.png")
    for pair in autoencoder_pairs(points):
        members = [_member(one.name, commits[one.name], root) for one in pair]
        figure = side_by_side(members, f"{data}: a plain autoencoder and the VAE of the same network")
        save_png(figure, folder / f"{pair.autoencoder.name}.png")
    pages = [_page(one.experiment.commit, root) for one in results]
    compared = [Compared(*parts) for parts in zip(points, [one.metrics for one in results], pages, strict=True)]
    (folder / "comparison.html").write_bytes(render_comparison(compared, data))


def _page(commit: str, root: Path) -> str | None:
    """The page of an experiment's run; None if it is of an older version, which wrote none."""
    files = CommittedFiles(root, commit)
    if not files.has(paths.REPORT):
        return None
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / paths.REPORT.name
        files.copy(paths.REPORT, copy)
        return copy.read_text("utf-8")


def _member(name: str, commit: str, root: Path) -> Member:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "pictures.safetensors"
        CommittedFiles(root, commit).copy(paths.PICTURES, copy)
        return Member(name, load_pictures(copy), load_class_names(copy))


def chosen(presets: Sequence[Preset], names: Sequence[str], root: Path) -> list[Preset]:
    """The presets to compare: those of grey images, and of the others the named and the finished ones.

    Raises UserError for a name that no preset has.
    """
    if unknown := sorted(set(names) - {preset.name for preset in presets}):
        raise UserError(
            f"{unknown[0]!r} is not a preset; the presets are {', '.join(preset.name for preset in presets)}"
        )
    return [
        preset
        for preset in presets
        if preset.params.binarisation == "none" or preset.name in names or find_result(preset, root)
    ]


def add_jobs_option(parser: argparse.ArgumentParser) -> None:
    """Let a command line say how many experiments run at a time."""
    parser.add_argument(
        "--jobs",
        type=int,
        choices=range(1, 65),
        metavar="N",
        default=1,
        help="number of experiments at a time (default: 1)",
    )


def compare(jobs: int, root: Path, names: Sequence[str] = ()) -> None:
    """Run what has no result yet, and write the comparison."""
    require_whole_clone(root)
    every = load_presets(root)
    presets = chosen(every, names, root)
    if left_out := [preset.name for preset in every if preset not in presets]:
        print(
            f"compare: left out, because they take hours and you did not name them: {', '.join(left_out)}", flush=True
        )
    run_missing(presets, jobs, root)
    write_comparison([load_result(preset, root) for preset in presets], root)
    print(f"compare: {len(presets)} systems compared in {FOLDER}, in a browser: {FOLDER / 'comparison.html'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_jobs_option(parser)
    parser.add_argument("names", nargs="*", metavar="NAME", help="presets of binarised images that are run, too")
    asked = parser.parse_args()
    compare(asked.jobs, ROOT, asked.names)


if __name__ == "__main__":
    run_command(main)
