"""`make track` and `make runs`: from DVC's results to MLflow's runs and back."""

import shutil
from pathlib import Path

import pytest
import track
from mlflow import MlflowClient
from mlflow.entities import Run

import runs
from mnist_vae.common.params import FigureParams
from runs import Experiment, TrackedModel
from working_copy import WorkingCopy


def _client_and_runs(copy: WorkingCopy) -> tuple[MlflowClient, list[Run]]:
    client = MlflowClient(f"sqlite:///{copy.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("mnist-vae")
    assert experiment is not None
    return client, client.search_runs([experiment.experiment_id])


def _content(copy: WorkingCopy) -> list[dict]:
    """What the runs hold, but for what only a training itself can measure."""
    client, found = _client_and_runs(copy)
    content = []
    for run in found:
        run_id, points = run.info.run_id, {}
        for name in run.data.metrics:
            if not name.startswith(("speed/", "system/")):
                history = client.get_metric_history(run_id, name)
                points[name] = [(point.step, pytest.approx(point.value)) for point in history]
        files = [file.path for place in ("", "figures", "history") for file in client.list_artifacts(run_id, place)]
        names = ("fingerprint", "data_md5", "model_md5", "device", "processor", "torch", *FigureParams.model_fields)
        assert run.inputs is not None
        models = client.search_logged_models(["1"], f"source_run_id = '{run_id}'")
        content.append(
            {
                "status": run.info.status,
                "params": run.data.params,
                "tags": {name: run.data.tags.get(name) for name in names},
                "description": run.data.tags["mlflow.note.content"].replace(run_id, "RUN"),
                "points": points,
                "files": files,
                "data": [(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs],
                "models": [(model.status, model.tags["model_md5"]) for model in models],
            }
        )
    return content


def _forget_runs(copy: WorkingCopy) -> None:
    for part in copy.folder.glob("mlflow.db*"):  # also what is not yet in the database's own file
        part.unlink()


def test_files_name_what_dvc_yaml_owns() -> None:
    text = (Path(track.__file__).parent.parent / "dvc.yaml").read_text()
    assert [str(path) for path in track.FILES if f"- {path}" not in text] == []


def test_result_is_entered_whole_into_a_fresh_store_and_not_twice(reproduced: WorkingCopy, tmp_path: Path) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    _forget_runs(copy)
    shutil.rmtree(copy.folder / "mlartifacts")
    assert "track: the workspace's result is in run " in copy.succeed("python", "tools/track.py", PYTHONPATH="src")
    entered = _content(copy)
    assert entered == _content(reproduced)
    copy.succeed("python", "tools/track.py", PYTHONPATH="src")
    assert _content(copy) == entered


def test_what_a_stage_could_not_enter_is_entered(reproduced: WorkingCopy, tmp_path: Path) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    copy.set_param("interpolation_steps", 6)
    printed = copy.succeed("dvc", "repro", MLFLOW_TRACKING_URI="http://me:hunter7@127.0.0.1:9")
    assert printed.count("MLflow failed, so this stage goes on without it") == 1
    assert "hunter7" not in printed
    _, (run,) = _client_and_runs(copy)
    assert run.data.tags["interpolation_steps"] == "5"
    assert " entries that had waited are in" in copy.succeed("python", "tools/track.py", PYTHONPATH="src")
    _, (run,) = _client_and_runs(copy)
    assert (run.info.status, run.data.tags["interpolation_steps"]) == ("FINISHED", "6")


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
    second.succeed("python", "tools/track.py", PYTHONPATH="src")
    assert _content(second) == _content(reproduced)


def test_result_that_is_not_whole_is_not_entered(reproduced: WorkingCopy, tmp_path: Path) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    _forget_runs(copy)
    (copy.folder / "models" / "model.safetensors").unlink()
    printed = copy.succeed("python", "tools/track.py", PYTHONPATH="src")
    assert "the workspace's result is not whole" in printed
    assert _client_and_runs(copy)[1] == []


def test_table_joins_commit_and_run(reproduced: WorkingCopy) -> None:
    printed = reproduced.succeed("python", "tools/runs.py", PYTHONPATH="src")
    (row,) = [line for line in printed.splitlines() if line.startswith("HEAD")]
    _, (run,) = _client_and_runs(reproduced)
    assert row.split()[2:4] == [run.info.run_id[:8], "FINISHED"]
    assert row.endswith("both")
    commit = reproduced.succeed("git", "rev-parse", "HEAD").strip()
    assert row.split()[1] == commit[:7]


def test_each_experiment_has_the_runs_of_its_model_and_no_run_is_left_out() -> None:
    metrics = {"mse_per_pixel_minus1_to_1": 0.25, "kl_nats_per_image": 3.0}
    experiments = [Experiment("HEAD", "c" * 40, "a", {"kl_weight": 0.1, "seed": 0}, metrics)]
    experiments += [Experiment("lost", "d" * 40, "b", {"kl_weight": 0.5, "seed": 1}, {})]
    found = [
        TrackedModel(md5, run_id * 8, "name", "FINISHED", {"kl_weight": "0.1", "seed": "0"}, {})
        for md5, run_id in (("a", "2"), ("a", "1"), ("", "3"))
    ]
    rows = runs.joined(experiments, found)
    assert rows == [
        ("HEAD", "ccccccc", "22222222", "FINISHED", "0.1", "0", "0.25", "3", "both"),
        ("HEAD", "ccccccc", "11111111", "FINISHED", "0.1", "0", "0.25", "3", "both"),
        ("lost", "ddddddd", "", "", "0.5", "1", "", "", "DVC only"),
        ("", "", "33333333", "FINISHED", "0.1", "0", "", "", "MLflow only"),
    ]
    assert runs.as_text(rows).splitlines()[3].startswith("lost  ddddddd")
