"""Register a run's model in MLflow under one name, and give it an alias: the model that somebody chose."""

import sys
from pathlib import Path

from mnist_vae.console.stage import UserError
from mnist_vae.tracking.registry import NAME, register
from mnist_vae.tracking.store import failures_in_a_line, open_store
from presets import ROOT
from runs import find_experiments, find_runs

_SHORTEST = 6  # digits of a run's id


def find_run_id(name: str, root: Path) -> str:
    """The run that `make runs` shows under that name: HEAD, a DVC experiment, or the beginning of a run's id.

    Of several runs of an experiment it is the latest. Raises UserError if there is none, or more than one id.
    """
    runs = find_runs(root)
    for experiment in find_experiments(root):
        if experiment.name == name:
            ids = [run.run_id for run in runs if run.model_md5 == experiment.model_md5][:1]
            break
    else:
        ids = [run.run_id for run in runs if len(name) >= _SHORTEST and run.run_id.startswith(name)]
    if len(ids) != 1:
        raise UserError(f"{len(ids)} runs are known as {name!r}: `make runs` shows all, `make track` enters HEAD's")
    return ids[0]


def main(name: str, alias: str, root: Path) -> str:
    """Register, and say what was done, in a line."""
    if not alias:
        raise UserError("needs an alias: make register RUN=HEAD ALIAS=champion")
    run_id = find_run_id(name, root)
    with failures_in_a_line():
        version = register(open_store(root), run_id, alias)
    return f"run {run_id[:8]} is version {version} of {NAME}: models:/{NAME}@{alias}"


if __name__ == "__main__":
    try:
        print(f"register: {main(sys.argv[1], sys.argv[2], ROOT)}")
    except UserError as error:
        sys.exit(f"register: {error}")
