"""Timed runs of stages in temporary clones of the last commit."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from measure import ROOT
from mnist_vae.common import paths
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import UserError

TIMED_STAGE = Path(__file__).with_name("timed_stage.py")


class StageCost(NamedTuple):
    """The cost of a stage's process: the seconds in total and by activity, and the peak memory."""

    stage: str
    seconds: float
    imports: float
    tracking: float
    writing: float
    compute: float
    peak_bytes: int


class Clone:
    """A clone of the last commit with changed parameters, and environment variables for its processes.

    The clone has its own MLflow store, unless the variables name another.
    """

    def __init__(self, folder: Path, params: Mapping[str, object] = {}, variables: Mapping[str, str] = {}):
        self.folder, self._costs = folder, folder.with_name(f"{folder.name}.costs")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        self.environment = inherited | {"PYTHONPATH": "src", "STAGE_COSTS": str(self._costs), **variables}
        self.reset_params(params)

    def reset_params(self, changes: Mapping[str, object]) -> None:
        """Set params.yaml to the committed one with these changes."""
        committed = self.committed(paths.PARAMS)
        content = yaml.safe_dump(yaml.safe_load(committed) | changes) if changes else committed
        (self.folder / paths.PARAMS).write_text(content)

    def committed(self, path: Path) -> str:
        """The content of a file in the commit."""
        command = ["git", "show", f"HEAD:{path}"]
        return subprocess.run(command, cwd=self.folder, capture_output=True, encoding="utf-8", check=True).stdout

    def link_original_files(self) -> None:
        """Link this repository's original files into the clone."""
        dataset = load_params(self.folder / paths.PARAMS).dataset
        link = self.folder / paths.raw(dataset)
        link.parent.mkdir(parents=True)
        link.symlink_to(original_files(dataset))

    def run(self, stage: str, *options: str) -> StageCost:
        """Run a stage without DVC, with options of timed_stage.py. Raises UserError if it fails."""
        command = [sys.executable, str(TIMED_STAGE), *options, f"stages/{stage}.py"]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise UserError(f"the stage {stage} failed: see above")
        return self.costs()[-1]

    def costs(self) -> list[StageCost]:
        """The costs of the stages that have run so far."""
        return read_costs(self._costs)


def read_costs(path: Path) -> list[StageCost]:
    """The costs in a file that timed_stage.py wrote."""
    return [StageCost(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def original_files(dataset: str) -> Path:
    """The folder of a data set's original files in this repository. Raises UserError if it does not exist."""
    folder = (ROOT / paths.raw(dataset)).resolve()
    if not folder.is_dir():
        raise UserError(f"needs the original files in {folder}: run `make repro` first")
    return folder
