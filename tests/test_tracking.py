"""The MLflow mirror, against a real SQLite store."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from mnist_vae.common.params import load_params
from mnist_vae.console.stage import Terminated, UserError
from mnist_vae.data.history import EpochHistory, EpochRow, StepRow
from mnist_vae.model.file import Origin
from mnist_vae.tracking.store import EXPERIMENT, open_store
from tracked_stages import known_run, training_run

ROOT = Path(__file__).parent.parent


@pytest.fixture
def origin() -> Origin:
    params = load_params(ROOT / "params.yaml").of_model()
    return Origin(params=params, data_md5="d41d8cd98f00b204e9800998ecf8427e", fingerprint="0123456789abcdef")


@pytest.fixture
def root(tmp_path: Path, empty_store: bytes) -> Path:
    (tmp_path / "mlflow.db").write_bytes(empty_store)
    return tmp_path


def only_run(root: Path) -> Run:
    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def history(epoch: int, steps: int) -> EpochHistory:
    rows = [StepRow(epoch, step, 1 / step) for step in range(1, steps + 1)]
    return EpochHistory(EpochRow(epoch, 0.5, 10.0, 3.0, 0.4, 9.0, 2.0), rows)


def test_run_is_finished_only_after_all_its_stages(root: Path, origin: Origin) -> None:
    with training_run(root, origin):
        assert only_run(root).info.status == "RUNNING"
    assert only_run(root).info.status == "SCHEDULED"
    with known_run("evaluate", root, origin):
        assert only_run(root).info.status == "RUNNING"
    assert only_run(root).info.status == "SCHEDULED"
    with known_run("render", root, origin):
        pass
    assert only_run(root).info.status == "FINISHED"


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (UserError("no such thing"), "FAILED", "train: no such thing"),
        (ValueError("a bug"), "FAILED", "train: ValueError: a bug"),
        (KeyboardInterrupt(), "KILLED", "train: stopped by SIGINT"),
        (Terminated(), "KILLED", "train: stopped by SIGTERM"),
    ],
)
def test_run_that_does_not_end_well_says_why(
    root: Path, origin: Origin, error: BaseException, status: str, reason: str
) -> None:
    with pytest.raises(type(error)), training_run(root, origin):
        raise error
    run = only_run(root)
    assert (run.info.status, run.data.tags["reason"]) == (status, reason)
    assert run.data.tags["stage.train"] == status.lower()


def test_stage_that_succeeds_after_a_failure_mends_the_run(root: Path, origin: Origin) -> None:
    with training_run(root, origin):
        pass
    with known_run("render", root, origin):
        pass
    with pytest.raises(UserError), known_run("evaluate", root, origin):
        raise UserError("torn file")
    assert only_run(root).info.status == "FAILED"
    with known_run("evaluate", root, origin):
        pass
    run = only_run(root)
    assert run.info.status == "FINISHED"
    assert "reason" not in run.data.tags


def test_epoch_with_more_steps_than_one_call_takes_is_entered_whole(root: Path, origin: Origin) -> None:
    with training_run(root, origin) as run:
        run.log_epoch(history(epoch=1, steps=2345), images_per_second=100.0)
    stored = only_run(root)
    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    points = client.get_metric_history(stored.info.run_id, "train/step_loss")
    assert [(point.step, point.value) for point in points] == [(step, 1 / step) for step in range(1, 2346)]
    assert stored.data.metrics["validation/kl_nats_per_image"] == 2.0
    assert stored.data.metrics["speed/images_per_second"] == 100.0


def test_later_stages_take_the_latest_run_of_their_model(root: Path, origin: Origin) -> None:
    other = origin.model_copy(update={"fingerprint": "ffffffffffffffff"})
    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    for one in (origin, origin, other):
        with training_run(root, one):
            pass
        client.set_terminated(client.search_runs(["1"], max_results=1)[0].info.run_id, "FINISHED")
    with known_run("evaluate", root, origin):
        pass
    runs = client.search_runs(["1"], order_by=["start_time ASC"])
    assert ["stage.evaluate" in run.data.tags for run in runs] == [False, True, False]


def points_of(root: Path, metric: str) -> list[tuple[int, float]]:
    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    return [(point.step, point.value) for point in client.get_metric_history(only_run(root).info.run_id, metric)]


def test_training_that_was_broken_off_goes_on_in_its_run_without_points_twice(root: Path, origin: Origin) -> None:
    with suppress(KeyboardInterrupt), training_run(root, origin) as run:
        run.log_epoch(history(epoch=1, steps=3), images_per_second=100.0)
        raise KeyboardInterrupt
    assert only_run(root).info.status == "KILLED"
    with training_run(root, origin) as run:
        assert only_run(root).info.status == "RUNNING"
        run.log_epoch(history(epoch=1, steps=3), images_per_second=90.0)
        run.log_epoch(history(epoch=2, steps=3), images_per_second=80.0)
    assert points_of(root, "train/loss") == [(1, 0.5), (2, 0.5)]
    assert points_of(root, "speed/images_per_second") == [(1, 100.0), (2, 80.0)]
    assert [step for step, _ in points_of(root, "train/step_loss")] == [1, 2, 3]
    run = only_run(root)
    assert (run.info.status, "reason" in run.data.tags) == ("SCHEDULED", False)


def test_training_anew_after_a_finished_run_makes_a_second_one(root: Path, origin: Origin) -> None:
    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    for count in (1, 2):
        with training_run(root, origin):
            pass
        assert len(client.search_runs(["1"])) == count
        for stage in ("evaluate", "render"):
            with known_run(stage, root, origin):
                pass


def test_number_of_the_test_set_is_entered_again_only_if_it_changed(root: Path, origin: Origin) -> None:
    path = root / "metrics.json"
    for value in (0.5, 0.5, 0.4, 0.5):
        path.write_text(json.dumps({"mse": value}))
        with known_run("evaluate", root, origin) as run:
            run.log_metrics(path)
    assert points_of(root, "test/mse") == [(0, 0.5), (0, 0.4), (0, 0.5)]


def test_model_without_a_run_gets_one_that_says_so(
    root: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    with known_run("evaluate", root, origin):
        pass
    assert only_run(root).data.params["kl_weight"] == "0.1"
    assert "MLflow has no run of this model: a new one begins" in capsys.readouterr().out


def test_relative_store_lies_at_the_root_wherever_the_stage_runs(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    store = open_store(root)
    assert list(Path.cwd().iterdir()) == []
    assert store.client.get_experiment(store.experiment_id).name == EXPERIMENT


def test_two_processes_at_once_make_one_sound_store(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from mnist_vae.tracking.store import open_store; "
    code += "store = open_store(Path(sys.argv[1])); store.client.create_run(store.experiment_id)"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)
    ]
    for process in processes:
        printed, _ = process.communicate(timeout=120)
        assert process.returncode == 0, printed.decode()
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 2
    assert experiment.artifact_location == (tmp_path / "mlartifacts").as_uri()


def test_store_whose_making_is_killed_at_any_moment_is_made_by_the_next_process(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from mnist_vae.tracking.store import open_store; "
    code += (
        "import mlflow.store.tracking.sqlalchemy_store; print('imported', flush=True); open_store(Path(sys.argv[1]))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    made = 0
    for seconds in (0.05, 0.2, 0.5, 1, 2):  # the making takes about three
        command = [sys.executable, "-c", code, str(tmp_path)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        process.communicate()
        made += (tmp_path / "mlflow.db").exists()
    assert made < 5  # some were killed before they were done
    store = open_store(tmp_path)
    run = store.client.create_run(store.experiment_id)
    assert store.client.get_run(run.info.run_id).info.status == "RUNNING"
