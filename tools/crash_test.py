"""Kill the pipeline at random moments, start it again, and compare its final results with those of an undisturbed run.

It runs in temporary clones of the last commit. The exit code is 1 if a kill changed a result.
"""

import argparse
import json
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from command import ROOT, run_command

from mlflow import MlflowClient
from mlflow.entities import Run

from clone import Clone
from mnist_vae.console.stage import UserError

STAGES = ("download", "preprocess", "train", "evaluate", "render")
_ROUND = ("download", "preprocess", "train", "train", "train", "evaluate", "render")  # the stages killed in a round
_DIGITS = ("dataset=digits", "validation_size=200", "learning_rate=0.001", "epochs=20")  # takes some minutes
_VARYING = "speed/"  # metrics that depend on the clock: only their steps are compared
_LOAD = "system/"  # the machine's load every few seconds: not compared, because it depends on the run's duration
_ARTIFACT_FOLDERS = ("", "figures", "history")


class Kill(NamedTuple):
    """A kill: the stage, and the seconds after its start."""

    stage: str
    seconds: float


class Round(NamedTuple):
    """A pipeline that was killed and restarted until it finished.

    Its kills, how often its training resumed, and the names of the results that differ.
    """

    kills: list[Kill]
    resumed: int
    differences: list[str]


class Point(NamedTuple):
    """A point of a metric in MLflow. The value is None if it depends on the clock."""

    step: int
    value: float | None


class TrackedResult(NamedTuple):
    """The content of a run in MLflow that is compared."""

    status: str
    params: dict[str, str]
    fingerprint: str
    points: dict[str, list[Point]]
    artifacts: list[str]


class Results(NamedTuple):
    """The results of a pipeline: its files, including dvc.lock, and its runs in MLflow."""

    files: dict[str, bytes]
    runs: list[TrackedResult]

    def differences(self, other: "Results") -> list[str]:
        """The names of the files that differ, and "MLflow" if the runs do."""
        names = sorted(self.files.keys() | other.files.keys())
        different = [name for name in names if self.files.get(name) != other.files.get(name)]
        return different + ["MLflow"] * (self.runs != other.runs)


def results(folder: Path) -> Results:
    """The results of the pipeline in a clone."""
    files = [path for name in ("data", "models", "reports") for path in (folder / name).rglob("*") if path.is_file()]
    content = {str(path.relative_to(folder)): path.read_bytes() for path in [folder / "dvc.lock", *files]}
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("mnist-vae")
    runs = client.search_runs([experiment.experiment_id]) if experiment else []
    return Results(content, [_tracked(client, run) for run in runs])


def _tracked(client: MlflowClient, run: Run) -> TrackedResult:
    points = {}
    for name in sorted(name for name in run.data.metrics if not name.startswith(_LOAD)):
        history, varies = client.get_metric_history(run.info.run_id, name), name.startswith(_VARYING)
        # Sorted, because an epoch that was not yet logged at a kill is logged at the end of the stage.
        points[name] = sorted(Point(point.step, None if varies else point.value) for point in history)
    artifacts = [file.path for place in _ARTIFACT_FOLDERS for file in client.list_artifacts(run.info.run_id, place)]
    return TrackedResult(run.info.status, run.data.params, run.data.tags["fingerprint"], points, artifacts)


def run_undisturbed(clone: Clone) -> dict[str, float]:
    """Run the pipeline to its end, and return the seconds that each stage took."""
    began = {}
    with clone.repro() as process:
        for line in process.stdout or ():
            if stage := _reached(line, STAGES[0]):
                began[stage] = time.monotonic()
        ended = time.monotonic()
        if process.wait():
            raise UserError("the undisturbed pipeline failed")
    ends = [*list(began.values())[1:], ended]
    return {stage: end - start for (stage, start), end in zip(began.items(), ends, strict=True)}


def run_killed(clone: Clone, moments: Iterator[Kill]) -> tuple[list[Kill], int]:
    """Run the pipeline to its end, and kill it at each moment. Returns the kills, and how often a training resumed."""
    done: list[Kill] = []
    resumed = 0
    while True:
        moment = next(moments, None)
        printed, killed = [], None
        with clone.repro() as process:
            for line in process.stdout or ():
                printed.append(line)
                resumed += "train: resuming at" in line
                # A finished stage does not run again. Then the next stage that runs is killed.
                if moment and not killed and (stage := _reached(line, moment.stage)):
                    time.sleep(moment.seconds)
                    os.killpg(process.pid, signal.SIGKILL)
                    killed = Kill(stage, moment.seconds)
            if process.wait() == 0:
                return done, resumed
        if not killed:
            raise UserError(f"after {done[-1:]} the pipeline failed:\n{''.join(printed)}")
        done.append(killed)
        print(f"crash test: kill {len(done)}: {killed.stage} after {killed.seconds:.2f} s", flush=True)


def _reached(line: str, stage: str) -> str:
    """The stage that the line announces, if it is the given stage or a later one; otherwise ""."""
    return next((name for name in STAGES[STAGES.index(stage) :] if f"Running stage '{name}'" in line), "")


def crash_test(kills: int, seed: int, changes: Mapping[str, str], report: Path, root: Path) -> bool:
    """Kill the pipeline `kills` times, write the report, and return whether all results equal the undisturbed ones."""
    draw = random.Random(seed)  # noqa: S311 (no secret)
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = Clone(root, Path(folder) / "undisturbed", changes)
        seconds = run_undisturbed(undisturbed)
        expected = results(undisturbed.folder)
        while (left := kills - sum(len(one.kills) for one in rounds)) > 0:
            clone = Clone(root, Path(folder) / f"round{len(rounds) + 1}", changes)
            stages = _ROUND if left >= len(_ROUND) else STAGES[-left:]
            moments = (Kill(stage, draw.uniform(0, seconds[stage])) for stage in stages)
            done, resumed = run_killed(clone, moments)
            rounds.append(Round(done, resumed, results(clone.folder).differences(expected)))
            print(f"crash test: round {len(rounds)}: {rounds[-1].differences or 'identical'}", flush=True)
            shutil.rmtree(clone.folder)
    summary = {"seed": seed, "changed parameters": dict(changes)} | _summary(rounds, expected)
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    print(
        f"crash test: {summary['kills without a trace']} of {summary['kills']} kills did not change the results:"
        f" {report}"
    )
    return summary["kills without a trace"] == summary["kills"]


def _summary(rounds: Sequence[Round], expected: Results) -> dict:
    by_stage = {stage: sum(kill.stage == stage for one in rounds for kill in one.kills) for stage in STAGES}
    (tracked,) = expected.runs
    return {
        "training steps": len(tracked.points["train/step_loss"]),
        "kills": sum(by_stage.values()),
        "kills without a trace": sum(len(one.kills) for one in rounds if not one.differences),
        "kills by stage, or between it and the next": by_stage,
        "trainings resumed from a checkpoint": sum(one.resumed for one in rounds),
        "rounds": [{"kills": len(one.kills), "differences": one.differences} for one in rounds],
        "files compared": len(expected.files),
        "MLflow points compared": sum(len(values) for values in tracked.points.values()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="number of kills (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random times of the kills (default: 0)")
    parser.add_argument("--report", type=Path, default=ROOT / ".dvc/tmp/crash_test.json", help="file for the result")
    parser.add_argument(
        "-S",
        dest="changes",
        action="append",
        metavar="KEY=VALUE",
        help=f"parameter to change (default: {' '.join(_DIGITS)})",
    )
    asked = parser.parse_args()
    changes: list[str] = asked.changes or list(_DIGITS)
    if wrong := [one for one in changes if "=" not in one]:
        parser.error(f"-S is {wrong[0]!r}, but must be KEY=VALUE")
    if asked.kills < 1:
        parser.error("--kills must be at least 1")
    pairs = {key: value for key, _, value in (one.partition("=") for one in changes)}
    return 0 if crash_test(asked.kills, asked.seed, pairs, asked.report, ROOT) else 1


if __name__ == "__main__":
    run_command(main)
