"""Experiments by DVC's queue, two at a time, the first trainings of a fresh clone."""

import subprocess
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from interpreters import Interpreters
from tiny_mnist import TinyServer
from tracked_stages import artifact_of
from working_copy import WorkingCopy

WEIGHTS = ["0.01", "1"]
_SECONDS = 240


@pytest.fixture(scope="module")
def queued(
    tmp_path_factory: pytest.TempPathFactory, tiny_server: TinyServer, interpreters: Interpreters
) -> WorkingCopy:
    """A fresh clone after two queued experiments; its code was broken as soon as they were queued."""
    copy = WorkingCopy(tmp_path_factory.mktemp("queued") / "clone", f"{tiny_server.address}/whole", interpreters)
    # Two experiments that write one stage into DVC's run cache at the same time can fail: DVC reads the other's
    # temporary file as a corrupted entry. After this they share no stage that is still to be run.
    copy.succeed("dvc", "repro", "preprocess")
    (copy.folder / "dvc.lock").unlink()
    copy.succeed("dvc", "exp", "run", "--queue", "-S", f"kl_weight={','.join(WEIGHTS)}")
    code = copy.folder / "src" / "mnist_vae" / "__init__.py"
    original = code.read_text()
    code.write_text("raise RuntimeError('this is the code of the workspace, not that of the experiment')\n")
    copy.succeed("dvc", "queue", "start", "--jobs", "2")
    for _ in range(_SECONDS // 2):
        if not {"Queued", "Running"} & set(_states(copy)):
            break
        time.sleep(2)  # each question takes half a second of a processor
    code.write_text(original)
    assert _states(copy) == ["Success"] * 2, copy.succeed("dvc", "queue", "status")
    return copy


def _states(copy: WorkingCopy) -> list[str]:
    return [line.split()[-1] for line in copy.succeed("dvc", "queue", "status").splitlines()[1:3]]


def runs_of(copy: WorkingCopy) -> list[Run]:
    return MlflowClient(f"sqlite:///{copy.folder}/mlflow.db").search_runs(["1"])


def test_every_experiment_has_its_finished_run_in_the_one_store(queued: WorkingCopy) -> None:
    runs = runs_of(queued)
    assert [run.info.status for run in runs] == ["FINISHED"] * 2
    assert sorted(run.data.params["kl_weight"] for run in runs) == sorted(str(float(one)) for one in WEIGHTS)
    names = {run.data.tags["dvc_experiment"] for run in runs}
    assert names == set(queued.succeed("dvc", "exp", "list", "--name-only").split())
    head = queued.succeed("git", "rev-parse", "HEAD").strip()
    assert {run.data.tags["dvc_baseline"] for run in runs} == {head}


def test_artifacts_of_queued_experiments_open_and_are_those_of_the_experiment(queued: WorkingCopy) -> None:
    client = MlflowClient(f"sqlite:///{queued.folder}/mlflow.db")
    for run in runs_of(queued):
        name = run.data.tags["dvc_experiment"]
        for path in ("metrics.json", "history/epochs.csv", "figures/samples.png"):
            command = ["git", "show", f"{_commit(queued, name)}:reports/{path}"]
            expected = subprocess.run(command, cwd=queued.folder, capture_output=True, check=True).stdout
            assert artifact_of(client, run, path) == expected


def test_command_in_the_run_restores_the_experiment(queued: WorkingCopy, tmp_path: Path) -> None:
    copy = queued.copied_to(tmp_path / "clone")
    copy.introduce()
    for run in runs_of(queued):
        copy.succeed("git", "restore", "params.yaml")
        copy.succeed(*run.data.tags["dvc_apply"].split())
        assert copy.params()["kl_weight"] == float(run.data.params["kl_weight"])
        lock = (copy.folder / "dvc.lock").read_text()
        assert f"md5: {run.data.tags['model_md5']}" in lock
        assert f"md5: {run.data.tags['data_md5']}" in lock


def _commit(copy: WorkingCopy, experiment: str) -> str:
    refs = copy.succeed("git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines()
    (commit,) = [ref.split()[0] for ref in refs if ref.endswith(f"/{experiment}")]
    return commit
