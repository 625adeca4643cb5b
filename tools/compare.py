"""Run every preset as a DVC experiment, and compare the results in reports/comparison.

Presets of binarised images take from minutes to hours. They run only if you name them. All finished ones are compared.
Of the others, the results that tools/likelihood.py has collected are compared.

If you stop the tool and start it again, it resumes: it keeps the finished experiments, and DVC restores the finished
stages of the others.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from command import ROOT, run_command

from experiments import CommittedFiles, git, require_whole_clone
from likelihood import FOLDER as COLLECTED
from likelihood import Kept, kept_results, load_results
from mnist_vae.common import paths
from mnist_vae.common.catalogue import dataset_title
from mnist_vae.console.stage import UserError
from mnist_vae.data.prepared import load_class_names
from mnist_vae.figures.arrays import load_pictures
from mnist_vae.figures.comparison import Member, System, autoencoder_pairs, rate_distortion, side_by_side
from mnist_vae.figures.style import save_png
from mnist_vae.page.comparison import Compared, render_comparison
from presets import Preset, Result, add_jobs_option, find_result, load_presets, load_result, run_missing

FOLDER = Path("reports/comparison")


def write_comparison(results: Sequence[Result], collected: Sequence[Kept], root: Path) -> None:
    """The numbers of all systems, the rate-distortion plot, each autoencoder beside its VAE, and the page of all.

    A collected result has numbers, but neither pictures nor a page.
    """
    folder, commit = root / FOLDER, git(root, "rev-parse", "HEAD")
    folder.mkdir(parents=True, exist_ok=True)
    members = [*(Kept(one.preset, commit, one.metrics) for one in results), *collected]
    systems = {
        one.preset.name: {
            "commit": one.commit,
            "params": one.preset.params.model_dump(mode="json"),
            "metrics": one.metrics,
        }
        for one in members
    }
    (folder / "comparison.json").write_text(
        json.dumps({"commit": commit, "systems": systems}, indent=2) + "\n", "utf-8"
    )
    points = [
        System(one.preset.name, one.preset.params, one.metrics["kl_nats"], one.metrics["mse_minus1_to_1"])
        for one in members
    ]
    experiments = {one.preset.name: one.experiment.commit for one in results}
    data = dataset_title(points[0].params.dataset)
    save_png(rate_distortion(points, f"{data}: rate and distortion of each system"), folder / "rate_distortion.png")
    for pair in autoencoder_pairs(points[: len(results)]):
        columns = [_member(one.name, experiments[one.name], root) for one in pair]
        figure = side_by_side(columns, f"{data}: a plain autoencoder and the VAE of the same network")
        save_png(figure, folder / f"{pair.autoencoder.name}.png")
    pages = [_page(one.experiment.commit, root) for one in results] + [None] * len(collected)
    compared = [Compared(*parts) for parts in zip(points, [one.metrics for one in members], pages, strict=True)]
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


def compare(jobs: int, root: Path, names: Sequence[str] = ()) -> None:
    """Run what has no result yet, and write the comparison."""
    require_whole_clone(root)
    every = load_presets(root)
    presets = chosen(every, names, root)
    collected = kept_results([preset for preset in every if preset not in presets], root)
    if kept := [one.preset.name for one in collected]:
        print(f"compare: as collected in {COLLECTED}: {', '.join(kept)}", flush=True)
    left_out = [one.name for one in every if one not in presets and one.name not in kept]
    results = load_results(root)
    if older := [name for name in left_out if name in results]:
        print(f"compare: left out, because they were collected with other parameters: {', '.join(older)}", flush=True)
    if unnamed := [name for name in left_out if name not in older]:
        print(
            f"compare: left out, because they take up to hours and you did not name them: {', '.join(unnamed)}",
            flush=True,
        )
    run_missing(presets, jobs, root)
    write_comparison([load_result(preset, root) for preset in presets], collected, root)
    count = len(presets) + len(collected)
    print(f"compare: {count} systems compared in {FOLDER}, in a browser: {FOLDER / 'comparison.html'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_jobs_option(parser)
    parser.add_argument("names", nargs="*", metavar="NAME", help="presets of binarised images that are run, too")
    asked = parser.parse_args()
    compare(asked.jobs, ROOT, asked.names)


if __name__ == "__main__":
    run_command(main)
