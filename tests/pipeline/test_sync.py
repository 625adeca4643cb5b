"""tools/sync.py: what MLflow lacks is logged from the files, of the workspace and of experiments."""

import shutil
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from tracked_stages import artifact_of, contents
from working_copy import WorkingCopy

SYNC = ["python", "tools/sync.py"]


def _content(copy: WorkingCopy) -> list[dict]:
    """What the runs hold; numbers as the history files have them, with nine digits."""
    runs = contents(MlflowClient(f"sqlite:///{copy.folder}/mlflow.db"))
    for run in runs:
        run["points"] = {
            name: [(step, f"{value:.9g}") for step, value in points] for name, points in run["points"].items()
        }
    return runs


def _runs(copy: WorkingCopy) -> list[Run]:
    return list(MlflowClient(f"sqlite:///{copy.folder}/mlflow.db").search_runs(["1"]))


def _diff(copy: WorkingCopy) -> bytes:
    client = MlflowClient(f"sqlite:///{copy.folder}/mlflow.db")
    (run,) = [run for run in _runs(copy) if "dvc_experiment" in run.data.tags]
    return artifact_of(client, run, "uncommitted.diff")


def _forget_runs(copy: WorkingCopy) -> None:
    for part in copy.folder.glob("mlflow.db*"):  # also what is not yet in the database's own file
        part.unlink()
    shutil.rmtree(copy.folder / "mlartifacts")


def test_result_is_logged_whole_into_a_new_store_and_not_twice(reproduced: WorkingCopy, tmp_path: Path) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    _forget_runs(copy)
    assert "sync: the workspace's result is in run " in copy.succeed(*SYNC, PYTHONPATH="src")
    logged = _content(copy)
    assert logged == _content(reproduced)
    ended = [run.info.end_time for run in _runs(copy)]
    copy.succeed(*SYNC, PYTHONPATH="src")
    assert _content(copy) == logged
    assert [run.info.end_time for run in _runs(copy)] == ended


def test_experiments_are_logged_by_their_names(with_experiment: WorkingCopy, tmp_path: Path) -> None:
    copy = with_experiment.copied_to(tmp_path / "clone")
    _forget_runs(copy)
    copy.succeed("git", "restore", "params.yaml", "dvc.lock", "reports")
    copy.succeed("dvc", "checkout", "--force")
    printed = copy.succeed(*SYNC, PYTHONPATH="src")
    assert "sync: experiment half is in run " in printed
    first, second = sorted(_content(with_experiment), key=lambda run: "dvc_experiment" in run["tags"])
    assert sorted(_content(copy), key=lambda run: "dvc_experiment" in run["tags"]) == [first, second]
    assert _diff(copy) == _diff(with_experiment)


def test_renamed_experiment_is_followed(with_experiment: WorkingCopy, tmp_path: Path) -> None:
    copy = with_experiment.copied_to(tmp_path / "clone")
    copy.introduce()
    copy.succeed("dvc", "exp", "rename", "half", "better")
    assert "sync: experiment better is in run " in copy.succeed(*SYNC, PYTHONPATH="src")
    (run,) = [run for run in _runs(copy) if "dvc_experiment" in run.data.tags]
    assert (run.info.run_name, run.data.tags["dvc_experiment"]) == ("better", "better")
    assert run.data.tags["dvc_apply"] == "dvc exp apply better"
    assert "`dvc exp apply better` brings it back" in run.data.tags["mlflow.note.content"]
    copy.succeed("git", "restore", "params.yaml")
    copy.succeed(*run.data.tags["dvc_apply"].split())


def test_run_of_another_repository_in_the_same_store_keeps_its_name(
    with_experiment: WorkingCopy, tmp_path: Path
) -> None:
    copy = with_experiment.copied_to(tmp_path / "clone")
    client = MlflowClient(f"sqlite:///{copy.folder}/mlflow.db")
    (run,) = [run for run in _runs(copy) if "dvc_experiment" in run.data.tags]
    for name, value in {"repository": "another", "dvc_experiment": "theirs"}.items():
        client.set_tag(run.info.run_id, name, value)
    copy.succeed(*SYNC, PYTHONPATH="src")
    tags = client.get_run(run.info.run_id).data.tags
    assert (tags["repository"], tags["dvc_experiment"]) == ("another", "theirs")


def test_what_a_stage_could_not_log_is_logged(reproduced: WorkingCopy, tmp_path: Path) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    copy.set_param("interpolation_steps", 6)
    printed = copy.succeed("dvc", "repro", MLFLOW_TRACKING_URI="http://me:hunter7@127.0.0.1:9")
    assert printed.count("MLflow failed, so this stage continues without it") == 1
    assert "hunter7" not in printed
    assert _content(copy)[0]["tags"]["interpolation_steps"] == "5"
    copy.succeed(*SYNC, PYTHONPATH="src")
    (run,) = _content(copy)
    assert (run["status"], run["tags"]["interpolation_steps"]) == ("FINISHED", "6")


def test_result_restored_from_the_run_cache_has_the_one_run_of_its_execution(
    with_experiment: WorkingCopy, tmp_path: Path
) -> None:
    copy = with_experiment.copied_to(tmp_path / "clone")
    before = _content(copy)
    copy.succeed("git", "restore", "params.yaml", "dvc.lock", "reports")
    (copy.folder / "dvc.lock").unlink()  # so that DVC must look the stages up in its run cache
    for kl_weight in (0.5, 0.1):
        copy.set_param("kl_weight", kl_weight)
        printed = copy.succeed("dvc", "repro")
        assert printed.count("is cached - skipping run") >= 3, printed
    copy.succeed(*SYNC, PYTHONPATH="src")
    assert _content(copy) == before
    _forget_runs(copy)
    copy.succeed(*SYNC, PYTHONPATH="src")
    logged = {run["params"]["kl_weight"]: run["status"] for run in _content(copy)}
    assert logged == {"0.1": "FINISHED", "0.5": "FINISHED"}


def test_result_pulled_from_a_remote_needs_no_run_and_gets_one(reproduced: WorkingCopy, tmp_path: Path) -> None:
    first = reproduced.copied_to(tmp_path / "first")
    first.succeed("dvc", "remote", "add", "--default", "storage", str(tmp_path / "storage"))
    first.succeed("dvc", "push")
    first.commit()
    first.succeed("git", "clone", "--quiet", str(first.folder), str(tmp_path / "second"))
    second = reproduced.copied_to(tmp_path / "other")
    second.folder = tmp_path / "second"
    second.succeed("dvc", "pull")
    assert "Data and pipelines are up to date" in second.succeed("dvc", "repro")
    assert second.outputs() == reproduced.outputs()
    assert not (second.folder / "mlflow.db").exists()
    second.succeed(*SYNC, PYTHONPATH="src")
    assert _content(second) == _content(reproduced)


def test_incomplete_result_is_not_logged_and_a_server_that_is_away_is_told_in_one_line(
    reproduced: WorkingCopy, tmp_path: Path
) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    _forget_runs(copy)
    (copy.folder / "models" / "model.safetensors").unlink()
    printed = copy.succeed(*SYNC, PYTHONPATH="src")
    assert "the workspace's result is not complete" in printed
    assert _content(copy) == []
    done = copy.run(*SYNC, PYTHONPATH="src", MLFLOW_TRACKING_URI="http://me:hunter7@127.0.0.1:9")
    assert done.returncode == 1
    assert done.stdout.startswith("sync: MLflow failed: ")
    assert done.stdout.count("\n") == 1
    assert "hunter7" not in done.stdout
