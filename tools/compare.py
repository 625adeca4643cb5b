"""Run every preset as a queued DVC experiment, and compare them in reports/comparison.

Stopped and started again, it goes on: finished experiments stay, and of a broken one the finished stages.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dvc.api import DVCFileSystem

from mnist_vae.comparison import Member, System, autoencoder_pairs, rate_distortion, side_by_side
from mnist_vae.datasets import DATASETS
from mnist_vae.figure_files import save_png
from mnist_vae.pictures import Pictures, load_pictures
from mnist_vae.stage import StageError
from presets import ROOT, Preset, Result, find_result, load_presets

FOLDER = Path("reports") / "comparison"
COPY_OF_PARAMS = Path(".dvc") / "tmp" / "params-before-queueing.yaml"


def run_missing(presets: Sequence[Preset], jobs: int, root: Path) -> None:
    """Queue the presets without a result and work on the queue. Raises StageError if some are without one after it."""
    missing = [preset for preset in presets if find_result(preset, root) is None]
    if not missing:
        return
    print(f"compare: {len(missing)} of {len(presets)} systems are to be run; Ctrl-C stops them", flush=True)
    try:
        _queue(missing, root)
        subprocess.run(["dvc", "exp", "run", "--run-all", "--jobs", str(jobs)], cwd=root, check=False)
    except KeyboardInterrupt:
        _stop_queue(root)
        restore_params(root)
        raise StageError("stopped; what is finished stays, and `make compare` goes on from there") from None
    if failed := [preset.name for preset in missing if find_result(preset, root) is None]:
        raise StageError(f"no result of {', '.join(failed)}: see `dvc queue logs {failed[0]}`, then start it again")


def restore_params(root: Path) -> None:
    """Bring params.yaml back if queueing was broken off: DVC puts each experiment's parameters there for a while."""
    if (root / COPY_OF_PARAMS).exists():
        (root / COPY_OF_PARAMS).replace(root / "params.yaml")
        print("compare: params.yaml is as it was before queueing was broken off")


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


def _queue(presets: Sequence[Preset], root: Path) -> None:
    _end_dead_tasks(root)
    running = _names_in_queue("Running", root)
    copy = root / COPY_OF_PARAMS
    unfinished = copy.with_suffix(".unfinished")
    unfinished.write_bytes((root / "params.yaml").read_bytes())
    unfinished.replace(copy)
    for preset in presets:
        if preset.name not in running:
            # Under its name there may be one of other parameters, or one that broke off.
            _dvc(root, "queue", "remove", preset.name)
            _dvc(root, "exp", "remove", preset.name)
            if subprocess.run([*preset.command(), "--queue"], cwd=root, check=False).returncode:
                raise StageError(f"{preset.name} could not be queued: see DVC's message above")
    copy.unlink()


def _stop_queue(root: Path) -> None:
    # The queue's workers outlive Ctrl-C. First they are told to take no other task, so that none begins when the
    # running one is interrupted. `dvc queue stop --kill` would leave that one's stage running.
    _dvc(root, "queue", "stop")
    for name in _names_in_queue("Running", root):
        _dvc(root, "queue", "kill", name)


def _end_dead_tasks(root: Path) -> None:
    # After a power cut a task stays "Running" for ever, and DVC would wait for it.
    if "0 active" in _dvc(root, "queue", "status"):
        for name in _names_in_queue("Running", root):
            _dvc(root, "queue", "kill", name)


def _names_in_queue(status: str, root: Path) -> set[str]:
    lines = [line.split() for line in _dvc(root, "queue", "status").splitlines()]
    return {name for line in lines for name in line[1:2] if status in line}


def _dvc(root: Path, *arguments: str) -> str:
    return subprocess.run(["dvc", *arguments], cwd=root, capture_output=True, text=True, check=False).stdout


def main(jobs: str, root: Path) -> None:
    if not jobs.isdecimal() or int(jobs) < 1:
        raise StageError(f"JOBS is {jobs!r}, but must be a whole number of at least 1")
    restore_params(root)
    presets = load_presets(root)
    run_missing(presets, int(jobs), root)
    results = [result for preset in presets if (result := find_result(preset, root))]
    write_comparison(results, root)
    print(f"compare: {len(results)} systems compared in {FOLDER}")


if __name__ == "__main__":
    try:
        main(sys.argv[1], ROOT)
    except StageError as error:
        sys.exit(f"compare: {error}")
