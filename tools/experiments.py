"""DVC's experiments as Git holds them: what each commit has in its files."""

import csv
import subprocess
from pathlib import Path

import yaml

from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochRow

_EPOCHS = "reports/history/epochs.csv"


def git(root: Path, *arguments: str) -> str:
    """What a Git command prints, "" if it fails."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def experiment_commits(root: Path) -> dict[str, str]:
    """The commit of each experiment of the repository, by its name."""
    refs = git(root, "for-each-ref", "--format=%(refname) %(objectname)", "refs/exps").splitlines()
    pairs = [ref.partition(" ") for ref in refs]
    # refs/exps/12/3456.../name; others are DVC's own
    return {name.split("/")[-1]: commit for name, _, commit in pairs if len(name.split("/")) == 5}


def stages_of(root: Path, commit: str) -> dict:
    """The stages of a commit's dvc.lock, by their names."""
    lock = yaml.safe_load(git(root, "show", f"{commit}:dvc.lock") or "{}") or {}
    return lock.get("stages", {})


def params_in(stages: dict) -> dict:
    """The parameters that the stages of a dvc.lock were run with."""
    groups = [stage.get("params", {}).get("params.yaml", {}) for stage in stages.values()]
    return {key: value for group in groups for key, value in group.items()}


def last_epoch(root: Path, commit: str) -> EpochRow:
    """The last line of a commit's epochs.csv. Raises UserError if there is none."""
    try:
        *_, last = csv.DictReader(git(root, "show", f"{commit}:{_EPOCHS}").splitlines())
        return EpochRow(int(last["epoch"]), *(float(last[name]) for name in EpochRow._fields[1:]))
    except (ValueError, KeyError):
        raise UserError(f"{_EPOCHS} of commit {commit[:7]} does not hold the columns of an epoch") from None
