"""Kill the pipeline at random moments, start it again, and compare what it ends with to an undisturbed run.

torture.py KILLS SEED REPORT [KEY=VALUE ...]: in temporary clones of the last commit, with these parameters changed.
"""

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from clone import Clone
from leavings import Results, results
from mnist_vae.console.stage import UserError
from presets import ROOT

STAGES = ("download", "preprocess", "train", "evaluate", "render")
_ROUND = ("download", "preprocess", "train", "train", "train", "evaluate", "render")  # the kills on one way through


class Kill(NamedTuple):
    """A kill: the stage, and the seconds after its beginning."""

    stage: str
    seconds: float


class Round(NamedTuple):
    """A pipeline that ran to its end in spite of kills: how often its training went on, and what came out different."""

    kills: list[Kill]
    resumed: int
    differences: list[str]


class Torture(NamedTuple):
    """What is asked for."""

    kills: int
    seed: int
    report: Path
    changes: dict[str, str]


def run_undisturbed(clone: Clone) -> dict[str, float]:
    """Run the pipeline to its end, and return how long each stage took, in seconds."""
    began = {}
    with clone.repro() as process:
        for line in process.stdout or ():
            for stage in STAGES:
                if f"Running stage '{stage}'" in line:
                    began[stage] = time.monotonic()
        ended = time.monotonic()
        if process.wait():
            raise UserError("the undisturbed pipeline failed")
    ends = [*list(began.values())[1:], ended]
    return {stage: end - start for (stage, start), end in zip(began.items(), ends, strict=True)}


def run_killed(clone: Clone, moments: Iterator[Kill]) -> tuple[list[Kill], int]:
    """Run the pipeline to its end, killed at each moment. Returns the kills, and how often a training went on."""
    done: list[Kill] = []
    resumed = 0
    while True:
        moment = next(moments, None)
        printed, killed = [], None
        with clone.repro() as process:
            for line in process.stdout or ():
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
            raise UserError(f"after {done[-1:]} the pipeline failed:\n{''.join(printed)}")
        done.append(killed)
        print(f"torture: kill {len(done)}: {killed.stage} after {killed.seconds:.2f} s", flush=True)


def _reached(line: str, stage: str) -> str:
    """The stage that the line says is running, if it is that one or a later one."""
    return next((name for name in STAGES[STAGES.index(stage) :] if f"Running stage '{name}'" in line), "")


def run(torture: Torture, root: Path) -> bool:
    """Do it, write the report, and return whether all ended as the undisturbed run did."""
    draw = random.Random(torture.seed)  # noqa: S311 (no secret)
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = Clone(root, Path(folder) / "undisturbed", torture.changes)
        seconds = run_undisturbed(undisturbed)
        expected = results(undisturbed)
        while (left := torture.kills - sum(len(one.kills) for one in rounds)) > 0:
            clone = Clone(root, Path(folder) / f"round{len(rounds) + 1}", torture.changes)
            stages = _ROUND if left >= len(_ROUND) else STAGES[-left:]
            kills, resumed = run_killed(clone, (Kill(stage, draw.uniform(0, seconds[stage])) for stage in stages))
            rounds.append(Round(kills, resumed, results(clone).differences(expected)))
            ended = rounds[-1].differences or "identical"
            print(f"torture: round {len(rounds)}: {len(kills)} kills, {ended}", flush=True)
            shutil.rmtree(clone.folder)
    torture.report.write_text(json.dumps(_summary(torture, rounds, expected), indent=2) + "\n")
    total = sum(len(one.kills) for one in rounds)
    same = sum(len(one.kills) for one in rounds if not one.differences)
    print(f"torture: {same} of {total} kills left no trace; seed {torture.seed}; {torture.report}")
    return same == total


def _summary(torture: Torture, rounds: Sequence[Round], expected: Results) -> dict:
    by_stage = {stage: sum(kill.stage == stage for one in rounds for kill in one.kills) for stage in STAGES}
    (tracked,) = expected.runs
    return {
        "seed": torture.seed,
        "changed parameters": torture.changes,
        "training steps": len(tracked.points["train/step_loss"]),
        "kills": sum(by_stage.values()),
        "kills by stage, or between it and the next": by_stage,
        "trainings that went on from a checkpoint": sum(one.resumed for one in rounds),
        "rounds": [{"kills": len(one.kills), "differences": one.differences} for one in rounds],
        "outputs compared": len(
            [out for stage in yaml.safe_load(expected.lock)["stages"].values() for out in stage["outs"]]
        ),
        "files compared": len(expected.files),
        "MLflow points compared": sum(len(values) for values in tracked.points.values()),
    }


def asked(arguments: Sequence[str]) -> Torture:
    """What the command line asks for. Raises UserError for what it cannot mean."""
    if len(arguments) < 3:
        raise UserError("needs KILLS SEED REPORT [KEY=VALUE ...], as `make torture` gives them")
    kills, seed, report, *changes = arguments
    if not kills.isdecimal() or int(kills) < 1:
        raise UserError(f"KILLS is {kills!r}, but must be a whole number of at least 1")
    if not seed.isdecimal():
        raise UserError(f"SEED is {seed!r}, but must be a whole number")
    if wrong := [one for one in changes if "=" not in one]:
        raise UserError(f"CHANGES holds {wrong[0]!r}, but must be KEY=VALUE ...")
    if not Path(report).parent.is_dir():
        raise UserError(f"REPORT is {report!r}, but there is no folder {Path(report).parent}")
    return Torture(int(kills), int(seed), Path(report), dict(one.split("=", 1) for one in changes))


if __name__ == "__main__":
    try:
        sys.exit(0 if run(asked(sys.argv[1:]), ROOT) else 1)
    except UserError as error:
        sys.exit(f"torture: {error}")
