"""Trials without a pipeline, and a search with them: its process may be one of several."""

import math
import sys
from pathlib import Path

import yaml

from builders import TINY
from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochRow
from presets import Preset
from search import Limits, search
from trial_queue import Failed, Finished

PLAN = {
    "study": "fake",
    "seed": 5,
    "objective": {"validation_distortion_per_image": 1, "validation_kl_nats_per_image": 0.5},
    "space": {
        "kl_weight": {"low": 0.01, "high": 1, "log": True},
        "latent_dim": {"low": 2, "high": 9},
        "adam_betas": {"choices": [[0.5, 0.999], [0.9, 0.999]]},
    },
}


def make_root(folder: Path) -> Path:
    """A repository, as far as a search without DVC needs one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".dvc" / "tmp").mkdir(parents=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(TINY))
    (folder / "search.yaml").write_text(yaml.safe_dump(PLAN))
    return folder


def epoch_of(preset: Preset) -> EpochRow:
    """A made-up course: its best is at kl_weight 0.1 and latent_dim 4, whatever the training's loss says."""
    distortion = (math.log10(preset.params.kl_weight) + 1) ** 2
    return EpochRow(1, 0.0, 1 / distortion, 1.0, 0.0, distortion, float(abs(preset.params.latent_dim - 4)))


class FakeRunner:
    """Each trial is finished when it is looked at, unless its place in the order is among those that fail or hang."""

    def __init__(self, jobs: int, root: Path, failing: tuple[int, ...] = (), hanging: tuple[int, ...] = ()):
        self.begun: list[Preset] = []
        self.stopped: list[Preset] = []
        self._failing, self._hanging = failing, hanging

    def begin(self, preset: Preset) -> None:
        self.begun.append(preset)

    def look(self, preset: Preset) -> Finished | Failed | None:
        if preset not in self.begun:
            return Failed("it is lost")
        place = self.begun.index(preset)
        if place in self._hanging:
            return None
        return Failed("so it is made up") if place in self._failing else Finished(epoch_of(preset), "")

    def stop(self, presets: list[Preset]) -> None:
        self.stopped += presets


if __name__ == "__main__":
    folder, address, trials, hang = sys.argv[1:]
    try:
        search(
            Limits(int(trials), 2),
            address,
            Path(folder),
            lambda jobs, root: FakeRunner(jobs, root, hanging=tuple(map(int, hang.split()))),
        )
    except UserError as error:
        sys.exit(f"search: {error}")
