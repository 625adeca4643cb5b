"""Opening and making the store, by several processes, killed at any moment, moved, or chosen by somebody."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mnist_vae.tracking.store import EXPERIMENT, open_store, reason_of

ROOT = Path(__file__).parent.parent


@pytest.fixture
def root(tmp_path: Path, empty_store: bytes) -> Path:
    (tmp_path / "mlflow.db").write_bytes(empty_store)
    return tmp_path


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
    assert {path.name for path in tmp_path.iterdir()} <= {f"mlflow.db{end}" for end in ("", ".lock", "-wal", "-shm")}
    run = store.client.create_run(store.experiment_id)
    assert store.client.get_run(run.info.run_id).info.status == "RUNNING"


def test_place_of_artifacts_that_somebody_chose_is_left_alone(root: Path) -> None:
    with closing(sqlite3.connect(root / "mlflow.db")) as connection:
        connection.execute("UPDATE experiments SET artifact_location = 's3://bucket/mlartifacts'")
        connection.commit()
    store = open_store(root)
    assert store.client.get_experiment(store.experiment_id).artifact_location == "s3://bucket/mlartifacts"


@pytest.mark.parametrize("address", ["http://me:hunter7@there/x", "http://me:hunter7@hunter7@there/x?y=1"])
def test_password_in_an_address_is_in_no_message(address: str) -> None:
    assert reason_of(ConnectionError(f"request to {address} failed, also to {address}")).count("hunter7") == 0
