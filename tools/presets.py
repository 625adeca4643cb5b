"""List the presets of presets.yaml, or run one as a DVC experiment with the name of the preset."""

import argparse
import json
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from command import ROOT, run_command

from experiments import Experiment, Running, find_experiment, start_experiment
from mnist_vae.common import paths
from mnist_vae.common.params import Params, check_params, load_params
from mnist_vae.common.yaml12 import load_yaml
from mnist_vae.console.stage import UserError

_FILE = "presets.yaml"


class Preset(NamedTuple):
    """A preset: its name, its changes to params.yaml, and all of its parameters."""

    name: str
    changes: Mapping[str, object]
    params: Params

    def settings(self) -> list[str]:
        """The changes in the form of `dvc exp run -S`."""
        texts = {key: json.dumps(value, separators=(",", ":")).replace('"', "") for key, value in self.changes.items()}
        return [f"{key}={text}" for key, text in texts.items()]

    def command(self) -> list[str]:
        """The command that runs it in the workspace as an experiment of its name."""
        return ["dvc", "exp", "run", "--name", self.name, *(part for one in self.settings() for part in ("-S", one))]


def make_preset(name: str, changes: Mapping[str, object], base: Params, source: str) -> Preset:
    """The preset with these changes of `base`. Raises UserError, which names the source, if they are not valid."""
    return Preset(name, changes, check_params(base.model_dump() | dict(changes), source))


def load_presets(root: Path) -> list[Preset]:
    """All presets. Raises UserError for one that is not a valid change of params.yaml, or that is defined twice."""
    base = load_params(root / paths.PARAMS)
    presets = load_yaml(root / _FILE)
    if not isinstance(presets, dict) or not all(isinstance(changes, dict) for changes in presets.values()):
        raise UserError(f"{_FILE} must give each name a mapping of parameters to values")
    return [make_preset(name, changes, base, f"{_FILE}: {name}") for name, changes in presets.items()]


def find_result(preset: Preset, root: Path) -> Experiment | None:
    """The preset's experiment on the checked-out commit, if it has the preset's parameters and the current code."""
    experiment = find_experiment(preset.name, root)
    if experiment is None or not experiment.has_todays_code(root):
        return None
    try:
        same = check_params(experiment.params, preset.name) == preset.params
    except UserError:  # the experiment is older than the current set of parameters
        return None
    return experiment if same else None


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
                print(f"{preset.name} is running; to follow it: tail -f {running[-1].log}", flush=True)
            for ended in [one for one in running if one.process.poll() is not None]:
                ended.wait()
                running.remove(ended)
                print(f"{ended.name} is finished", flush=True)
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


def run(name: str, root: Path) -> int:
    """Run a preset in the workspace, or apply its result if it has one. Returns the exit code."""
    presets = {preset.name: preset for preset in load_presets(root)}
    if name not in presets:
        raise UserError(f"{name!r} is not a preset; the presets are {', '.join(presets)}")
    done = find_result(presets[name], root)
    command = ["dvc", "exp", "apply", name] if done else presets[name].command()
    print(f"{name} has a result, which is applied: {shlex.join(command)}" if done else shlex.join(command), flush=True)
    return subprocess.run(command, cwd=root, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command")
    commands.add_parser("list", help="show each preset and the command that runs it")
    commands.add_parser("run", help="run a preset in the workspace").add_argument("name", help="for example vanilla")
    asked = parser.parse_args()
    if asked.command == "run":
        return run(asked.name, ROOT)
    print("\n".join(shlex.join(preset.command()) for preset in load_presets(ROOT)))
    return 0


if __name__ == "__main__":
    run_command(main)
