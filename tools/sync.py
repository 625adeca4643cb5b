"""Enter into MLflow what it lacks: what waits since it failed, the ends of dead runs, the workspace's result."""

import json
import subprocess
import sys
from pathlib import Path

from mnist_vae.console.stage import UserError
from mnist_vae.tracking.dead_runs import close_dead_runs
from mnist_vae.tracking.delivery import Delivery
from mnist_vae.tracking.mirror import ResultFiles, enter_result
from mnist_vae.tracking.outbox import Outbox
from mnist_vae.tracking.store import Store, failures_in_a_line, open_store, reason_of
from presets import ROOT

FILES = ResultFiles(
    params=Path("params.yaml"),
    prepared=Path("data/prepared.safetensors"),
    model=Path("models/model.safetensors"),
    epochs=Path("reports/history/epochs.csv"),
    steps=Path("reports/history/steps.csv"),
    environment=Path("reports/environment.json"),
    metrics=Path("reports/metrics.json"),
    figures=Path("reports/figures"),
)


def track(root: Path) -> list[str]:
    """Enter all that is missing, and return what was done, in lines. Raises UserError if DVC or MLflow fails."""
    with failures_in_a_line():
        store = open_store(root)
        lines = [f"{run_id} was of a process that died: KILLED" for run_id in close_dead_runs(store, root)]
        lines += [_delivered(outbox, store) for outbox in Outbox.all_below(root)]
        return [*lines, _enter_workspace(root, store)]


def _delivered(outbox: Outbox, store: Store) -> str:
    try:
        return f"{outbox.deliver(Delivery(store, 'track').enter)} entries that had waited are in"
    except Exception as error:  # noqa: BLE001 (what one training's entries fail at must not keep back the others')
        return f"{len(outbox)} entries wait on: {reason_of(error)}"


def _enter_workspace(root: Path, store: Store) -> str:
    status = subprocess.run(["dvc", "status", "--json"], cwd=root, capture_output=True, text=True, check=False)
    if status.returncode:
        raise UserError(f"dvc status failed: {' '.join(status.stderr.split())}")
    if changed := json.loads(status.stdout or "{}"):
        return (
            f"the workspace's result is not whole ({', '.join(changed)}), so it is not entered: dvc repro, or dvc pull"
        )
    run_id = enter_result(ResultFiles(*(root / path for path in FILES)), store, root)
    return f"the workspace's result is in run {run_id}"


if __name__ == "__main__":
    try:
        for line in track(ROOT):
            print(f"track: {line}")
    except UserError as error:
        sys.exit(f"track: {error}")
