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

from interpreters import Interpreters
from mnist_vae.console.stage import UserError
from mnist_vae.tracking.store import EXPERIMENT, open_store, reason_of, store_address


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


OPENING = """
import sys
from pathlib import Path
from mnist_vae.tracking.store import open_store
print("begins", flush=True)
store = open_store(Path(sys.argv[1]))
store.client.create_run(store.experiment_id)
"""


def test_two_processes_at_once_make_one_sound_store(tmp_path: Path, interpreters: Interpreters) -> None:
    processes = [interpreters.start(OPENING, tmp_path, str(tmp_path)) for _ in range(2)]
    for process in processes:
        printed, _ = process.communicate(timeout=120)
        assert process.returncode == 0, printed
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 2
    assert experiment.artifact_location == (tmp_path / "mlartifacts").as_uri()


def test_next_process_creates_the_store_if_its_creation_was_killed(tmp_path: Path, interpreters: Interpreters) -> None:
    root, made = tmp_path / "root", 0
    root.mkdir()
    for seconds in (0.05, 0.2, 0.5, 1, 2):  # the making takes about two
        process = interpreters.start(OPENING, tmp_path, str(root))
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        process.communicate()
        made += (root / "mlflow.db").exists()
    assert made < 5  # some were killed before they were done
    store = open_store(root)
    assert {path.name for path in root.iterdir()} <= {f"mlflow.db{end}" for end in ("", ".lock", "-wal", "-shm")}
    run = store.client.create_run(store.experiment_id)
    assert store.client.get_run(run.info.run_id).info.status == "RUNNING"


def test_place_of_artifacts_that_somebody_chose_is_left_alone(root: Path) -> None:
    with closing(sqlite3.connect(root / "mlflow.db")) as connection:
        connection.execute("UPDATE experiments SET artifact_location = 's3://bucket/mlartifacts'")
        connection.commit()
    store = open_store(root)
    assert store.client.get_experiment(store.experiment_id).artifact_location == "s3://bucket/mlartifacts"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("", "sqlite:///REPOSITORY/mlflow.db"),
        ("sqlite:///own.db?timeout=30", "sqlite:///REPOSITORY/own.db?timeout=30"),
        ("sqlite+pysqlite:///own.db", "sqlite+pysqlite:///REPOSITORY/own.db"),
        ("sqlite:////elsewhere/a b%20c.db", "sqlite:////elsewhere/a b c.db"),
        ("mlruns", "file://REPOSITORY/mlruns"),
        ("./mlruns", "file://REPOSITORY/mlruns"),
        ("file:mlruns", "file://REPOSITORY/mlruns"),
        ("file:///elsewhere/mlruns", "file:///elsewhere/mlruns"),
        ("https://me:p%40ss@host/path?x=1", "https://me:p%40ss@host/path?x=1"),
        (
            "postgresql+psycopg://me:p%2Fw@host/db?sslmode=require",
            "postgresql+psycopg://me:p%2Fw@host/db?sslmode=require",
        ),
        ("databricks", "databricks"),
    ],
)
def test_store_address_is_absolute_so_that_nothing_is_stored_in_the_copy_of_a_queued_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, expected: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert store_address(tmp_path) == expected.replace("REPOSITORY", str(tmp_path))


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///:memory:"])
def test_store_in_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(UserError, match="a database in memory: name a file or a server"):
        open_store(tmp_path)


def test_store_may_lie_where_an_address_needs_escapes(tmp_path: Path, empty_store: bytes) -> None:
    root = tmp_path / "100% a?b#c"
    root.mkdir()
    (root / "mlflow.db").write_bytes(empty_store)
    store = open_store(root)
    run = store.client.create_run(store.experiment_id)
    with closing(sqlite3.connect(root / "mlflow.db")) as connection:
        assert connection.execute("SELECT run_uuid FROM runs").fetchall() == [(run.info.run_id,)]


def test_experiment_that_was_renamed_is_found_again(root: Path) -> None:
    store = open_store(root)
    store.client.rename_experiment(store.experiment_id, "my thesis")
    assert open_store(root).experiment_id == store.experiment_id
    assert [one.name for one in store.client.search_experiments() if one.name != "Default"] == ["my thesis"]


def test_experiment_that_was_deleted_is_named_with_the_way_back(root: Path) -> None:
    store = open_store(root)
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(UserError, match="the MLflow experiment mnist-vae is deleted; restore it with: ") as refused:
        open_store(root)
    way_back = str(refused.value).partition(": ")[2]
    variables = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    (root / "mlruns" / "0").mkdir(parents=True)  # an older MLflow's, which MLflow would take without a name
    (root / "mlruns" / "0" / "meta.yaml").touch()
    subprocess.run(way_back, shell=True, cwd=root, env=variables, capture_output=True, check=True)
    assert open_store(root).experiment_id == store.experiment_id


def test_experiment_that_the_environment_names_is_taken(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = open_store(root).experiment_id
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another")
    other = open_store(root)
    assert other.client.get_experiment(other.experiment_id).name == "another"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", own)
    assert open_store(root).experiment_id == own


def test_experiment_of_an_earlier_environment_variable_is_not_used_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "a try")
    tried = open_store(tmp_path)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    own = open_store(tmp_path)
    assert own.client.get_experiment(own.experiment_id).name == EXPERIMENT
    assert own.experiment_id != tried.experiment_id


@pytest.mark.parametrize(
    "address",
    [
        "http://there/x?access_token=hunter7",
        "http://me:hunter7@there/x",
        "http://me:hunter7@hunter7@there/x?y=1",
        "postgresql://me:a/hunter7@there/x",
        "postgresql://there/x?user=me&password=hunter7",
    ],
)
def test_password_in_an_address_is_in_no_message(address: str) -> None:
    message = reason_of(ConnectionError(f"request to {address} failed, also to {address}"))
    assert "hunter7" not in message
    assert message.count("there/x") == 2
