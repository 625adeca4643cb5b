"""Log results of the workspace and of the DVC experiments that are missing in MLflow, and close orphaned runs.

Results may be missing after an outage, after the store was lost, or if DVC restored or pulled them. Values that MLflow
has already are not changed.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

from command import ROOT, run_command

from experiments import CommittedFiles, experiment_commits, git
from mnist_vae.common import paths
from mnist_vae.console.stage import UserError
from mnist_vae.model.file import load_origin
from mnist_vae.tracking.backfill import STAGES, Result, StoredRun, complete, find_or_create_run, log_diff, rename
from mnist_vae.tracking.orphans import close_orphans, repository_id
from mnist_vae.tracking.page import describe
from mnist_vae.tracking.provenance import Provenance, experiment_diff, find_provenance
from mnist_vae.tracking.store import Store, failures_in_a_line, open_store

_FILES = (
    *(paths.PARAMS, paths.PREPARED, paths.MODEL, paths.EPOCHS, paths.STEPS),
    *(paths.ENVIRONMENT, paths.METRICS, paths.CLASSES),
)


def sync(root: Path) -> Iterator[str]:
    """Log everything that is missing, and yield lines about what was done. Raises UserError if DVC or MLflow fails."""
    with failures_in_a_line():
        store = open_store(root)
        for run_id in close_orphans(store, root):
            yield f"run {run_id} was orphaned, and has the status KILLED now"
        completed: set[str] = set()
        yield _sync_workspace(store, root, completed)
        experiments = experiment_commits(root)
        for name in experiments:
            yield _sync_experiment(store, root, name, experiments, completed)


def _sync_workspace(store: Store, root: Path, completed: set[str]) -> str:
    # Only the stages of dvc.yaml: the one in watch/dvc.yaml always counts as changed.
    status = subprocess.run(["dvc", "status", "--json", "dvc.yaml"], cwd=root, capture_output=True, check=False)
    if status.returncode:
        raise UserError(f"dvc status failed: {' '.join(status.stderr.decode(errors='replace').split())}")
    if changed := json.loads(status.stdout or b"{}"):
        stages = ", ".join(changed)
        return f"the workspace's result is not complete ({stages}), so it is not logged: type dvc repro or dvc pull"
    result = Result(root, load_origin(root / paths.MODEL))
    run = _complete(store, root, result, find_provenance(root), completed)
    return f"the workspace's result is in run {run.run_id}"


def _sync_experiment(store: Store, root: Path, name: str, experiments: Mapping[str, str], completed: set[str]) -> str:
    commit = experiments[name]
    baseline = git(root, "rev-parse", f"{commit}^")
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = _fetch(root, commit, Path(folder))
        except Exception as error:  # noqa: BLE001 (DVC's file systems raise what their storage raises)
            return f"experiment {name} is left out: {' '.join(str(error).split())[:200]}"
        provenance = Provenance(baseline, "unknown", name, baseline, "unknown")
        run = _complete(store, root, result, provenance, completed)
        _follow_rename(run, result, provenance, repository_id(root), experiments)
        diff = experiment_diff(root, commit) if run.is_new else b""
        if diff:
            log_diff(run, diff)
        return f"experiment {name} is in run {run.run_id}{', which lacks its diff: Git failed' if diff is None else ''}"


def _fetch(root: Path, commit: str, folder: Path) -> Result:
    files = CommittedFiles(root, commit)
    reports = (paths.REPORT,) if files.has(paths.REPORT) else ()  # an older version wrote none
    for path in (*_FILES, paths.FIGURES, *reports):
        files.copy(path, folder / path)
    return Result(folder, load_origin(folder / paths.MODEL))


def _complete(store: Store, root: Path, result: Result, provenance: Provenance, completed: set[str]) -> StoredRun:
    tags = provenance.tags() | {"repository": repository_id(root)}
    run = find_or_create_run(store, result.origin, tags, for_training=False)
    # If several results come from one training and differ only in their figures, the run keeps the first one.
    if run.run_id not in completed:
        complete(run, result, STAGES)
    completed.add(run.run_id)
    return run


def _follow_rename(
    run: StoredRun, result: Result, provenance: Provenance, repository: str, experiments: Container[str]
) -> None:
    """Rename the run of an experiment that `dvc exp rename` renamed."""
    stored = run.store.client.get_run(run.run_id)
    is_own = stored.data.tags.get("repository") == repository  # another repository has other experiments
    former = stored.data.tags.get("dvc_experiment")
    if is_own and former and former not in experiments:
        tags = {name: value for name, value in provenance.tags().items() if name.startswith("dvc_")}
        rename(run.store, stored, result.origin, tags)
        describe(run.store.client, run.run_id)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for line in sync(ROOT):
        print(f"sync: {line}", flush=True)


if __name__ == "__main__":
    run_command(main)
