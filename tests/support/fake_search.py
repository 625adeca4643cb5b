"""A search whose trials run no pipeline. Several of its processes can run at the same time."""

import math
import sys
import time
from pathlib import Path

import yaml

from builders import TINY
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import UserError
from presets import Preset
from search import Outcome, Runner, search
from search_plan import load_plan

PLAN = {
    "study": "fake",
    "seed": 5,
    "objective": {"validation_reconstruction_error_per_image": 1, "validation_kl_nats_per_image": 0.5},
    "space": {
        "kl_weight": {"low": 0.01, "high": 1, "log": True},
        "latent_dim": {"low": 2, "high": 9},
        "adam_betas": {"choices": [[0.5, 0.999], [0.9, 0.999]]},
    },
}


def make_root(folder: Path) -> Path:
    """A folder with what a search without DVC needs of a repository."""
    (folder / ".dvc" / "tmp").mkdir(parents=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(TINY))
    (folder / "search.yaml").write_text(yaml.safe_dump(PLAN))
    return folder


def outcome(preset: Preset, _: Path) -> Outcome:
    """A made-up result. The best one is at kl_weight 0.1 and latent_dim 4, although other columns say the contrary."""
    error = (math.log10(preset.params.kl_weight) + 1) ** 2
    columns = {"validation_reconstruction_error_per_image": error, "validation_loss": -error, "train_loss": -error}
    return Outcome(columns | {"validation_kl_nats_per_image": abs(preset.params.latent_dim - 4.0)}, "")


def run(root: Path, trials: int, runner: Runner = outcome, address: str = "sqlite:///search.db") -> None:
    """Run a search in `root` whose trials run no pipeline."""
    plan = load_plan(root / "search.yaml", load_params(root / "params.yaml"))
    search(plan, trials, address, root, runner, heartbeat=1)


def _hang_at(number: int) -> Runner:
    def runner(preset: Preset, root: Path) -> Outcome:
        time.sleep(600 if preset.name.endswith(f"-{number}") else 0.1)
        return outcome(preset, root)

    return runner


def main() -> None:
    """Run a search with the folder, storage, number of trials and hanging trial from the command line."""
    folder, place, wanted, hanging = sys.argv[1:]
    try:
        run(Path(folder), int(wanted), _hang_at(int(hanging)), place)
    except UserError as error:
        sys.exit(f"search: {error}")
