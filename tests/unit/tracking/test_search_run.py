"""The one run of a study, and which runs are put below it."""

from pathlib import Path

import pytest
from mlflow.entities import Run

from mnist_vae.tracking.orphans import close_orphans
from mnist_vae.tracking.search import SearchRun, TrialRun
from mnist_vae.tracking.store import open_store


@pytest.fixture
def root(tmp_path: Path, empty_store: bytes) -> Path:
    (tmp_path / "mlflow.db").write_bytes(empty_store)
    return tmp_path


def _parents(root: Path) -> list[Run]:
    store = open_store(root)
    return [run for run in store.client.search_runs([store.experiment_id]) if "study" in run.data.tags]


def test_earliest_of_two_parent_runs_keeps_all_children(root: Path) -> None:
    store = open_store(root)
    tags = {"study_key": "k", "study": "s"}
    later, earlier = (store.client.create_run(store.experiment_id, at, tags, "s").info.run_id for at in (2_000, 1_000))
    child = store.client.create_run(store.experiment_id, 3_000, {"mlflow.parentRunId": later}, "c").info.run_id
    SearchRun(root, "s", "k").finish(4, 0.5, "s-4")
    (parent,) = _parents(root)
    assert (parent.info.run_id, parent.info.status) == (earlier, "FINISHED")
    assert parent.data.tags["dvc_apply"] == "dvc exp apply s-4"
    assert store.client.get_run(child).data.tags["mlflow.parentRunId"] == earlier


def test_trial_without_a_run_of_its_own_has_that_of_its_model(root: Path) -> None:
    store = open_store(root)
    made = {}
    for name, tags in {
        "own": {"dvc_experiment": "s-0", "model_md5": "a"},
        "of the model": {"dvc_experiment": "elsewhere", "model_md5": "b"},
        "of another study": {"dvc_experiment": "s-2", "model_md5": "c", "mlflow.parentRunId": "other"},
    }.items():
        made[name] = store.client.create_run(store.experiment_id, 1, tags, name).info.run_id
    parent = SearchRun(root, "s", "k")
    parent.link([TrialRun("s-0", "a"), TrialRun("s-1", "b"), TrialRun("s-2", "c"), TrialRun("s-3", "")])
    parent.stop("KILLED", "stopped by SIGINT")
    (run,) = _parents(root)
    linked = {name: store.client.get_run(run_id).data.tags.get("mlflow.parentRunId") for name, run_id in made.items()}
    assert linked == {"own": run.info.run_id, "of the model": run.info.run_id, "of another study": "other"}
    assert (run.info.status, run.data.tags["reason"]) == ("KILLED", "stopped by SIGINT")


def test_run_of_a_killed_search_is_closed_and_that_of_a_running_search_is_kept(root: Path) -> None:
    store = open_store(root)
    search = SearchRun(root, "s", "k")
    assert close_orphans(store, root) == []
    search._lock.release(settled=False)  # as a process leaves it that is killed
    (run,) = _parents(root)
    assert close_orphans(store, root) == [run.info.run_id]
    (run,) = _parents(root)
    assert (run.info.status, run.data.tags["reason"]) == ("KILLED", "search: its process ended without giving a reason")
    SearchRun(root, "s", "k").link([])
    (run,) = _parents(root)
    assert run.info.status == "RUNNING"
    assert not {"reason", "stage.search"} & run.data.tags.keys()
