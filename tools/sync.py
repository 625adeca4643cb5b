"""Log in MLflow what it lacks of the workspace's result and of the DVC experiments, and close orphaned runs.

Whatever kept a run from being logged: an outage, a store that was lost, a result that DVC restored or pulled. What is
in MLflow already stays as it is.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dvc.api import DVCFileSystem

from command import ROOT, run_command
from experiments import experiment_commits, git
from mnist_vae.common import paths
from mnist_vae.console.stage import UserError
from mnist_vae.model.file import load_origin
from mnist_vae.tracking.backfill import STAGES, Result, complete, find_or_create_run
from mnist_vae.tracking.orphans import close_orphans, repository_id
from mnist_vae.tracking.provenance import Provenance, find_provenance
from mnist_vae.tracking.store import Store, failures_in_a_line, open_store

_FILES = (paths.PARAMS, paths.PREPARED, paths.MODEL, paths.EPOCHS, paths.STEPS, paths.ENVIRONMENT, paths.METRICS)


def sync(root: Path) -> Iterator[str]:
    """Log all that is missing, and say what was done, in lines. Raises UserError if DVC or MLflow fails."""
    with failures_in_a_line():
        store = open_store(root)
        for run_id in close_orphans(store, root):
            yield f"run {run_id} was orphaned: KILLED"
        yield _sync_workspace(store, root)
        for name, commit in experiment_commits(root).items():
            yield _sync_experiment(store, root, name, commit)


def _sync_workspace(store: Store, root: Path) -> str:
    status = subprocess.run(["dvc", "status", "--json"], cwd=root, capture_output=True, check=False)
    if status.returncode:
        raise UserError(f"dvc status failed: {' '.join(status.stderr.decode(errors='replace').split())}")
    if changed := json.loads(status.stdout or b"{}"):
        stages = ", ".join(changed)
        return f"the workspace's result is not complete ({stages}), so it is not logged: dvc repro, or dvc pull"
    run_id = _complete(store, root, root, find_provenance(root))
    return f"the workspace's result is in run {run_id}"


def _sync_experiment(store: Store, root: Path, name: str, commit: str) -> str:
    baseline = git(root, "rev-parse", f"{commit}^")
    with tempfile.TemporaryDirectory() as folder:
        try:
            files = DVCFileSystem(str(root), rev=commit)
            for path in (*_FILES, paths.CLASSES):
                (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
                files.get_file(str(path), str(Path(folder) / path))
            files.get(str(paths.FIGURES), str(Path(folder) / paths.FIGURES), recursive=True)
        except Exception as error:  # noqa: BLE001 (DVC's file systems raise what their storage does)
            return f"experiment {name} is left out: {' '.join(str(error).split())[:200]}"
        provenance = Provenance(baseline, "unknown", name, baseline, "unknown")
        run_id = _complete(store, root, Path(folder), provenance)
    return f"experiment {name} is in run {run_id}"


def _complete(store: Store, root: Path, folder: Path, provenance: Provenance) -> str:
    origin = load_origin(folder / paths.MODEL)
    tags = provenance.tags() | {"repository": repository_id(root)}
    run_id = find_or_create_run(store, origin, tags, only_unfinished=False)
    complete(store, run_id, Result(folder, origin), STAGES)
    return run_id


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for line in sync(ROOT):
        print(f"sync: {line}", flush=True)


if __name__ == "__main__":
    run_command(main)
