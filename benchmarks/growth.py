"""Time and memory of each stage against the number of images, their size, latent_dim and base_channels.

Into benchmarks/growth.json and growth.png. One of these changes at a time; each stage is a process of its own, as DVC
starts it, over one epoch, once. Memory is read from /proc, so this runs on Linux.
"""

import gzip
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml

from growth_figure import growth_figure
from growth_summary import Measured, Point, StageCost, growth_with_images
from mnist_vae.common.catalogue import DATASETS
from mnist_vae.console.stage import UserError, run_stage
from mnist_vae.figures.files import save_png
from mnist_vae.sources.idx import idx_bytes, read_idx

IMAGES, TEST_IMAGES = 5_000, 1_000  # what ×1 is, so that ×16 ends soon: the first ones of MNIST
VALIDATION = 1_000  # of the training images
# What a stage takes whatever the data: of each kind of images one batch, 1,000 or of the training images 128.
LEAST = Point("least", VALIDATION + 128, TEST_IMAGES, {})
SCALES = (1, 4, 16)
CHANGES = [
    *({"image_size": size} for size in (64, 128)),
    *({"latent_dim": dimensions} for dimensions in (16, 1024)),
    *({"base_channels": channels} for channels in (8, 32, 64)),
]
_SECONDS_BETWEEN_LOOKS = 0.005


class _Command(NamedTuple):
    stage: str
    paths: list[str]


def main(raw: Path, result_path: Path, figure_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        raise UserError("reads memory from /proc, which is not here: run it on Linux")
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = _new_workspace(Path(folder))
        for point in _points():
            measured.append(_measure(point, raw.resolve(), workspace))
            print(f"growth: {point.name}: {_shown(measured[-1].stages)}", flush=True)
        machine = json.loads((workspace / "reports" / "environment.json").read_text())
    content = {
        "machine": machine,
        "epochs": 1,
        "points": [{**one.point._asdict(), **_content(one)} for one in measured],
        "against the number of images": growth_with_images(measured),
    }
    result_path.write_text(json.dumps(content, indent=2) + "\n")
    save_png(growth_figure(measured), figure_path)


def _points() -> Iterator[Point]:
    yield LEAST
    for scale in SCALES:
        yield Point(f"×{scale}", scale * IMAGES, scale * TEST_IMAGES, {})
    for change in CHANGES:
        ((name, value),) = change.items()
        yield Point(f"{name} {value}", IMAGES, TEST_IMAGES, change)


def _new_workspace(folder: Path) -> Path:
    # The stages take code from below the folder they run in only.
    for name in ("src", "stages"):
        shutil.copytree(name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("measured_stage.py", "untracked_stage.py"):
        shutil.copy(Path("benchmarks") / name, folder)
    (folder / ".dvc").mkdir()
    return folder


def _measure(point: Point, raw: Path, workspace: Path) -> Measured:
    params = yaml.safe_load(Path("params.yaml").read_text()) | {"epochs": 1, "dataset": "mnist"}
    params |= {"validation_size": VALIDATION} | point.params
    (workspace / "params.yaml").write_text(yaml.safe_dump(params))
    _repeat_original_files(raw, workspace / "data" / "raw" / "mnist", point)
    sizes = [str(point.train_size), str(point.test_size)]
    stages = {command.stage: _run(command, sizes, workspace) for command in _commands()}
    return Measured(point, params, stages)


def _commands() -> Iterator[_Command]:
    for stage, content in yaml.safe_load(Path("dvc.yaml").read_text())["stages"].items():
        if stage != "download":
            yield _Command(stage, content["cmd"].replace("${dataset}", "mnist").split("python ")[1].split()[1:])


def _repeat_original_files(raw: Path, folder: Path, point: Point) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    images, labels, test_images, test_labels = DATASETS["mnist"].files
    for file, dimensions, first, size in (
        (images, 3, IMAGES, point.train_size),
        (labels, 1, IMAGES, point.train_size),
        (test_images, 3, TEST_IMAGES, point.test_size),
        (test_labels, 1, TEST_IMAGES, point.test_size),
    ):
        array = read_idx(raw / file.name, dimensions)[:first]
        content = idx_bytes(np.resize(array, (size, *array.shape[1:])))
        (folder / file.name).write_bytes(gzip.compress(content, compresslevel=1))


def _run(command: _Command, sizes: list[str], workspace: Path) -> StageCost:
    """The seconds of a stage's process, the most memory it ever had, and the most of its own, without mapped files."""
    script = [sys.executable, "measured_stage.py", *sizes, "status", f"stages/{command.stage}.py", *command.paths]
    start, own = time.perf_counter(), 0
    process = subprocess.Popen(script, cwd=workspace, env={"PYTHONPATH": "src"}, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        own = max(own, _bytes_in(Path(f"/proc/{process.pid}/status"), "RssAnon"))
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise UserError(f"{command.stage} ended with {process.returncode}")
    return StageCost(seconds, _bytes_in(workspace / "status", "VmHWM"), own)


def _bytes_in(status: Path, name: str) -> int:
    lines = dict(line.split(":") for line in status.read_text().splitlines() if line.count(":") == 1)
    return 1024 * int(lines[name].split()[0]) if name in lines else 0  # a process that has just ended has none


def _content(measured: Measured) -> dict:
    return {
        "data_bytes": measured.data_bytes,
        "code_bytes": measured.code_bytes,
        "stages": {stage: cost._asdict() for stage, cost in measured.stages.items()},
    }


def _shown(stages: dict[str, StageCost]) -> str:
    costs = (f"{stage} {one.seconds:.1f} s {one.peak_bytes / 1e6:.0f} MB" for stage, one in stages.items())
    return ", ".join(costs)


if __name__ == "__main__":
    run_stage(main)
