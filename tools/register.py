"""Register the model of a run in MLflow's model registry, and give it an alias, for example champion.

RUN is HEAD, the name of a DVC experiment, or the beginning of a run's id. If several runs have
the model of HEAD or of the experiment, the latest run is taken.
"""

import argparse
from pathlib import Path

from command import ROOT, run_command

from experiments import experiment_commits, model_md5
from mnist_vae.console.stage import UserError
from mnist_vae.tracking.model import REGISTERED, register
from mnist_vae.tracking.store import Store, failures_in_a_line, open_store

_SHORTEST = 6  # digits of a run's id
_MOST = 50_000  # runs, the most that MLflow gives


def find_run_id(name: str, store: Store, root: Path) -> str:
    """The id of the run with that name. Raises UserError if there is not a run or more than one."""
    commits = {"HEAD": "HEAD"} | experiment_commits(root)
    query = f"tags.model_md5 = '{model_md5(commits[name], root)}'" if name in commits else ""
    runs = store.client.search_runs(
        [store.experiment_id], query, order_by=["start_time DESC"], max_results=1 if query else _MOST
    )
    ids = [run.info.run_id for run in runs]
    if not query:
        ids = [run_id for run_id in ids if len(name) >= _SHORTEST and run_id.startswith(name)]
    if len(ids) != 1:
        raise UserError(
            f"{name!r} names {len(ids)} runs, but must name one: log missing results with `make sync`, or give more"
            " digits of the run's id"
        )
    return ids[0]


def register_run(name: str, alias: str, root: Path) -> str:
    """Register the run's model, and return one line that says what was done. Raises UserError if it fails."""
    with failures_in_a_line():
        store = open_store(root)
        run_id = find_run_id(name, store, root)
        version = register(store, run_id, alias)
    return f"run {run_id[:8]} is version {version} of {REGISTERED}: models:/{REGISTERED}@{alias}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", help="HEAD, an experiment's name, or the beginning of a run's id")
    parser.add_argument("alias", metavar="ALIAS", help="name for the model, for example champion")
    asked = parser.parse_args()
    print(f"register: {register_run(asked.run, asked.alias, ROOT)}")


if __name__ == "__main__":
    run_command(main)
