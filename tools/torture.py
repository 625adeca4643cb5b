"""Kill the pipeline at random moments, start it again, and compare what it ends with to an undisturbed run.

torture.py KILLS SEED REPORT [KEY=VALUE ...]: in temporary clones of the last commit, with these parameters changed.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import yaml
from mlflow import MlflowClient

from presets import ROOT

STAGES = ("download", "preprocess", "train", "evaluate", "render")
_ROUND = ("download", "preprocess", "train", "train", "train", "evaluate", "render")  # the kills on one way through
_VARYING = "speed/"  # metrics of the clock


class Kill(NamedTuple):
    """A kill: the stage, and the seconds after its beginning."""

    stage: str
    seconds: float


class Results(NamedTuple):
    """What a pipeline leaves: its lock, its files, and the runs in MLflow with their params and points."""

    lock: str
    files: dict[str, bytes]
    runs: list[tuple]

    def differences(self, other: "Results") -> list[str]:
        """The names of what is not the same."""
        names = sorted(self.files.keys() | other.files.keys())
        different = [name for name in names if self.files.get(name) != other.files.get(name)]
        return different + ["dvc.lock"] * (self.lock != other.lock) + ["MLflow"] * (self.runs != other.runs)


class Round(NamedTuple):
    """A pipeline that ran to its end in spite of kills: how often its training went on, and what came out different."""

    kills: list[Kill]
    resumed: int
    differences: list[str]


class Clone:
    """A temporary clone in which the pipeline runs."""

    def __init__(self, folder: Path, changes: dict[str, str]):
        self.folder = folder
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        # Nothing of the committed results is there: a stage whose outputs lie in Git would not run.
        shutil.rmtree(folder / "reports")
        (folder / "dvc.lock").unlink()
        lines = (folder / "params.yaml").read_text().splitlines()
        for key, value in changes.items():
            if not any(line.startswith(f"{key}:") for line in lines):
                raise SystemExit(f"torture: {key} is no parameter")
            lines = [f"{key}: {value}" if line.startswith(f"{key}:") else line for line in lines]
        (folder / "params.yaml").write_text("\n".join(lines) + "\n")

    def start(self) -> subprocess.Popen[str]:
        """Begin `dvc repro`, in a process group of its own."""
        return subprocess.Popen(
            ["dvc", "repro"],
            cwd=self.folder,
            env=os.environ | {"MNIST_VAE_CHECKPOINT_SECONDS": "2", "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def results(self) -> Results:
        """What the pipeline left."""
        roots = [self.folder / name for name in ("data", "models", "reports")]
        files = [path for root in roots for path in sorted(root.rglob("*")) if path.is_file()]
        content = {str(path.relative_to(self.folder)): path.read_bytes() for path in files}
        return Results((self.folder / "dvc.lock").read_text(), content, list(_runs(self.folder)))


def _runs(folder: Path) -> Iterator[tuple]:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("mnist-vae")
    for run in client.search_runs([experiment.experiment_id] if experiment else []):
        points = {
            name: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]
            for name in sorted(run.data.metrics)
        }
        # Of what varies with the clock only the steps.
        points = {
            name: [step for step, _ in values] if name.startswith(_VARYING) else values
            for name, values in points.items()
        }
        artifacts = [
            file.path for place in ("", "figures", "history") for file in client.list_artifacts(run.info.run_id, place)
        ]
        yield run.info.status, run.data.params, run.data.tags["fingerprint"], points, artifacts


def run_undisturbed(clone: Clone) -> dict[str, float]:
    """Run the pipeline to its end, and return how long each stage took, in seconds."""
    began, process = {}, clone.start()
    for line in _lines(process):
        for stage in STAGES:
            if f"Running stage '{stage}'" in line:
                began[stage] = time.monotonic()
    ended = time.monotonic()
    if process.wait():
        raise SystemExit("torture: the undisturbed pipeline failed")
    ends = [*list(began.values())[1:], ended]
    return {stage: end - start for (stage, start), end in zip(began.items(), ends, strict=True)}


def run_killed(clone: Clone, moments: Iterator[Kill]) -> tuple[list[Kill], int]:
    """Run the pipeline to its end, killed at each moment. Returns the kills, and how often a training went on."""
    done: list[Kill] = []
    resumed = 0
    while True:
        moment = next(moments, None)
        process = clone.start()
        printed, killed = [], None
        for line in _lines(process):
            printed.append(line)
            resumed += "train: goes on" in line
            # A stage that was passed already does not run again: then the next one that runs is meant.
            if moment and not killed and (stage := _reached(line, moment.stage)):
                time.sleep(moment.seconds)
                os.killpg(process.pid, signal.SIGKILL)
                killed = Kill(stage, moment.seconds)
        if process.wait() == 0:
            return done, resumed
        if not killed:
            raise SystemExit(f"torture: after {done[-1:]} the pipeline failed:\n{''.join(printed)}")
        done.append(killed)
        print(f"torture: kill {len(done)}: {killed.stage} after {killed.seconds:.2f} s", flush=True)


def _reached(line: str, stage: str) -> str:
    """The stage that the line says is running, if it is that one or a later one."""
    return next((name for name in STAGES[STAGES.index(stage) :] if f"Running stage '{name}'" in line), "")


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    yield from process.stdout or ()


def main(kills: int, seed: int, report: Path, changes: dict[str, str]) -> None:
    draw = random.Random(seed)  # noqa: S311 (no secret)
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = Clone(Path(folder) / "undisturbed", changes)
        seconds = run_undisturbed(undisturbed)
        expected = undisturbed.results()

        def moments() -> Iterator[Kill]:
            for stage in _ROUND:
                yield Kill(stage, draw.uniform(0, seconds[stage]))

        rounds: list[Round] = []
        while (left := kills - sum(len(one.kills) for one in rounds)) > 0:
            clone = Clone(Path(folder) / f"round{len(rounds) + 1}", changes)
            done, resumed = run_killed(clone, islice(moments(), left))
            rounds.append(Round(done, resumed, clone.results().differences(expected)))
            print(
                f"torture: round {len(rounds)}: {len(done)} kills, {rounds[-1].differences or 'identical'}", flush=True
            )
            shutil.rmtree(clone.folder)
    report.write_text(json.dumps(_summary(seed, changes, rounds, expected), indent=2) + "\n")
    same = sum(len(one.kills) for one in rounds if not one.differences)
    print(f"torture: {same} of {sum(len(one.kills) for one in rounds)} kills left no trace; seed {seed}; {report}")
    if any(one.differences for one in rounds):
        raise SystemExit(1)


def _summary(seed: int, changes: dict[str, str], rounds: Sequence[Round], expected: Results) -> dict:
    by_stage = {stage: sum(kill.stage == stage for one in rounds for kill in one.kills) for stage in STAGES}
    (run,) = expected.runs
    return {
        "seed": seed,
        "changed parameters": changes,
        "training steps": len(run[3]["train/step_loss"]),
        "kills": sum(by_stage.values()),
        "kills by stage, or between it and the next": by_stage,
        "trainings that went on from a checkpoint": sum(one.resumed for one in rounds),
        "rounds": [{"kills": len(one.kills), "differences": one.differences} for one in rounds],
        "outputs compared": len(yaml.safe_load(expected.lock)["stages"]),
        "files compared": len(expected.files),
        "MLflow points compared": sum(len(values) for values in run[3].values()),
    }


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), dict(one.split("=", 1) for one in sys.argv[4:]))
