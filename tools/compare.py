"""Run every preset as a queued DVC experiment, and compare them in reports/comparison.

Stopped and started again, it goes on: finished experiments stay, and of a broken one the finished stages.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dvc.api import DVCFileSystem

from dvc_queue import hold_queue, parse_count, run_missing
from mnist_vae.common.catalogue import DATASETS
from mnist_vae.console.stage import UserError
from mnist_vae.figures.arrays import Pictures, load_pictures
from mnist_vae.figures.comparison import Member, System, autoencoder_pairs, rate_distortion, side_by_side
from mnist_vae.figures.files import save_png
from presets import ROOT, Result, find_result, load_presets

FOLDER = Path("reports") / "comparison"


def write_comparison(results: Sequence[Result], root: Path) -> None:
    """The numbers of all presets, the rate-distortion plot, and each autoencoder beside its VAE."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        preset.name: {"params": preset.params.model_dump(mode="json"), "metrics": metrics}
        for preset, _, metrics in results
    }
    (folder / "comparison.json").write_text(json.dumps(content, indent=2) + "\n")
    systems = [
        System(preset.name, preset.params, metrics["kl_nats_per_image"], metrics["mse_per_pixel_minus1_to_1"])
        for preset, _, metrics in results
    ]
    commits = {result.preset.name: result.commit for result in results}
    data = DATASETS[systems[0].params.dataset].title
    save_png(rate_distortion(systems, f"{data}: rate and distortion of each system"), folder / "rate_distortion.png")
    for pair in autoencoder_pairs(systems):
        members = [Member(one.name, _pictures(commits[one.name], root)) for one in pair]
        figure = side_by_side(members, f"{data}: a plain autoencoder and the VAE of the same network")
        save_png(figure, folder / f"{pair.autoencoder.name}.png")


def _pictures(commit: str, root: Path) -> Pictures:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "pictures.safetensors"
        DVCFileSystem(str(root), rev=commit).get_file("reports/pictures.safetensors", str(copy))
        return load_pictures(copy)


def main(jobs: str, root: Path) -> None:
    count = parse_count("JOBS", jobs)
    with hold_queue(root):
        presets = load_presets(root)
        run_missing(presets, count, "compare", root)
        results = [result for preset in presets if (result := find_result(preset, root))]
        write_comparison(results, root)
    print(f"compare: {len(results)} systems compared in {FOLDER}")


if __name__ == "__main__":
    try:
        main(sys.argv[1], ROOT)
    except UserError as error:
        sys.exit(f"compare: {error}")
