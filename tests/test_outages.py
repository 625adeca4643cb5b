"""MLflow fails in every way, and nothing is lost: training goes on, and what it would have entered is entered later."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient

import track
from builders import tiny_origin
from mlflow_servers import BadServer, MlflowServer
from mnist_vae.tracking.dead_runs import close_dead_runs
from mnist_vae.tracking.delivery import Delivery
from mnist_vae.tracking.entries import EnterPoints, Point, SetTags, StopStage, Waiting
from mnist_vae.tracking.naming import new_run
from mnist_vae.tracking.outbox import Outbox
from mnist_vae.tracking.store import EXPERIMENT, Store, open_store, reason_of
from tracked_stages import (
    ENVIRONMENT,
    STAGES,
    contents,
    enter_end_of_training,
    enter_evaluation,
    enter_figures,
    enter_pipeline,
    enter_training,
    history,
    training_run,
)


def deliver(outbox: Outbox, store: Store) -> int:
    return outbox.deliver(Delivery(store, "test").enter)


@pytest.fixture
def root(tmp_path: Path, empty_store: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with an empty store."""
    monkeypatch.chdir(tmp_path)  # in these tests' own repository a run would hold its uncommitted changes
    (tmp_path / "root" / ".dvc").mkdir(parents=True)
    (tmp_path / "root" / "mlflow.db").write_bytes(empty_store)
    open_store(tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture(params=["hangs", "500", "401", "507"])
def bad_server(request: pytest.FixtureRequest) -> Iterator[BadServer]:
    server = BadServer(request.param)
    yield server
    server.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    folder = tmp_path_factory.mktemp("server")
    server = MlflowServer(folder, f"sqlite:///{folder}/server.db")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def expected(tmp_path: Path, empty_store: bytes) -> list[dict]:
    """The content of a store that never failed."""
    root = tmp_path / "undisturbed"
    (root / ".dvc").mkdir(parents=True)
    (root / "mlflow.db").write_bytes(empty_store)
    enter_pipeline(root, tiny_origin())
    content = contents(open_store(root).client)
    assert [one["status"] for one in content] == ["FINISHED"]
    return content


def test_failing_server_costs_one_call_and_one_line_a_stage_and_nothing_else(
    root: Path,
    bad_server: BadServer,
    expected: list[dict],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", bad_server.address)
    for calls, stage in enumerate(STAGES, start=1):
        stage(root, tiny_origin())
        # Each waits for MLFLOW_HTTP_REQUEST_TIMEOUT at most.
        assert bad_server.requests == calls
        (line,) = capsys.readouterr().out.splitlines()
        assert "MLflow failed, so this stage goes on without it" in line
        assert "hunter7" not in line
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "3"
    assert not [path for path in root.rglob("*") if path.is_file() and b"hunter7" in path.read_bytes()]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    store = open_store(root)
    (outbox,) = Outbox.all_below(root)
    assert deliver(outbox, store) > 10
    assert contents(store.client) == expected
    assert Outbox.all_below(root) == []


@pytest.mark.parametrize("down", [1, 2, 3])
def test_what_the_first_stages_could_not_enter_a_later_one_does(
    root: Path, expected: list[dict], monkeypatch: pytest.MonkeyPatch, down: int
) -> None:
    for number, stage in enumerate(STAGES, start=1):
        if number <= down:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        else:
            monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        stage(root, tiny_origin())
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = open_store(root)
    for outbox in Outbox.all_below(root):
        deliver(outbox, store)
    assert contents(store.client) == expected


def test_server_that_crashes_in_the_middle_gets_the_rest_when_it_is_back(
    root: Path,
    server: MlflowServer,
    expected: list[dict],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    origin = tiny_origin()
    with training_run(root, origin) as run:
        run.log_epoch(history(1), images_per_second=101.0)
        server.kill()
        run.log_epoch(history(2), images_per_second=102.0)
        run.log_epoch(history(3), images_per_second=103.0)
        enter_end_of_training(root, origin, run)
    (line,) = capsys.readouterr().out.splitlines()
    assert "goes on without it" in line
    enter_evaluation(root, origin)
    server.start()
    enter_figures(root, origin)
    printed = capsys.readouterr().out
    assert "render: MLflow is back: " in printed
    assert "goes on without it" not in printed.partition("is back")[2]
    assert contents(MlflowClient(server.address)) == expected


def test_training_broken_off_and_begun_again_while_the_store_is_away_is_one_run_without_points_twice(
    root: Path, expected: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with suppress(KeyboardInterrupt), training_run(root, tiny_origin()) as run:
        run.log_epoch(history(1), images_per_second=101.0)
        run.log_epoch(history(2), images_per_second=102.0)
        raise KeyboardInterrupt
    enter_pipeline(root, tiny_origin())
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    store = open_store(root)
    (outbox,) = Outbox.all_below(root)
    deliver(outbox, store)
    assert contents(store.client) == expected


def test_what_is_kept_after_a_delivery_in_the_middle_of_a_training_goes_to_the_same_run(
    root: Path, expected: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    origin = tiny_origin()
    with training_run(root, origin) as run:
        run.log_epoch(history(1), images_per_second=101.0)
        monkeypatch.delenv("MLFLOW_TRACKING_URI")
        store = open_store(root)
        (outbox,) = Outbox.all_below(root)
        assert deliver(outbox, store)
        run.log_epoch(history(2), images_per_second=102.0)
        run.log_epoch(history(3), images_per_second=103.0)
        enter_end_of_training(root, origin, run)
    enter_evaluation(root, tiny_origin())
    enter_figures(root, tiny_origin())
    assert contents(store.client) == expected


def numbered(number: int) -> SetTags:
    return SetTags(tags={"number": str(number)})


def test_entries_of_a_broken_off_line_are_left_out_and_no_others(root: Path) -> None:
    outbox, run = Outbox(root, "f"), new_run(root, tiny_origin(), ENVIRONMENT, "any")
    outbox.add(numbered(1), run)
    lines = next((root / ".dvc" / "tmp" / "tracking").rglob("entries.jsonl"))
    with lines.open("a") as file:
        file.write('\n{"run": {"reuse": "an')
    outbox.add(numbered(2), run)
    found: list[Waiting] = []
    assert outbox.deliver(found.append) == 2
    assert found == [Waiting(run=run, entry=numbered(1)), Waiting(run=run, entry=numbered(2))]
    assert Outbox.all_below(root) == []


def test_entries_are_kept_until_all_are_in(root: Path) -> None:
    outbox, run = Outbox(root, "f"), new_run(root, tiny_origin(), ENVIRONMENT, "any")
    for number in (1, 2, 3):
        outbox.add(numbered(number), run)

    def enter(waiting: Waiting) -> None:
        if waiting.entry == numbered(3):
            raise ConnectionError

    with pytest.raises(ConnectionError):
        outbox.deliver(enter)
    found: list[Waiting] = []
    assert outbox.deliver(found.append) == 3


@pytest.mark.parametrize("address", ["http://me:hunter7@there/x", "http://me:hunter7@hunter7@there/x?y=1"])
def test_password_in_an_address_is_in_no_message(address: str) -> None:
    assert reason_of(ConnectionError(f"request to {address} failed, also to {address}")).count("hunter7") == 0


def test_what_waits_is_entered_after_the_repository_was_moved(
    root: Path, expected: list[dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    enter_pipeline(root, tiny_origin())
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    moved = root.rename(tmp_path / "moved")
    (outbox,) = Outbox.all_below(moved)
    store = open_store(moved)
    deliver(outbox, store)
    assert contents(store.client) == expected


def test_pipeline_delivered_a_second_time_is_the_same_run(
    root: Path, expected: list[dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    enter_pipeline(root, tiny_origin())
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    waiting = root / ".dvc" / "tmp" / "tracking"
    shutil.copytree(waiting, tmp_path / "waiting")
    store = open_store(root)
    for _ in range(2):  # as if the first delivery had been broken off at its very end
        (outbox,) = Outbox.all_below(root)
        deliver(outbox, store)
        assert contents(store.client) == expected
        shutil.copytree(tmp_path / "waiting", waiting, dirs_exist_ok=True)


def test_entries_come_out_as_they_went_in(root: Path) -> None:
    outbox, run = Outbox(root, "f"), new_run(root, tiny_origin(), ENVIRONMENT, "any")
    points = [Point(name="test/x", value=value, step=0, at=1) for value in (float("nan"), float("inf"), 0.1)]
    entries = [
        EnterPoints(points=points),
        StopStage(stage="train", status="FAILED", reason="a\u2028b\x85c\nd", at=1),
        SetTags(tags={"grüße": "×"}),
    ]
    for entry in entries:
        outbox.add(entry, run)
    found: list[Waiting] = []
    assert outbox.deliver(found.append) == 3
    assert str([one.entry for one in found]) == str(entries)


def test_dead_stage_of_a_training_that_is_taken_up_closes_nothing(root: Path) -> None:
    origin = tiny_origin()
    (root / ".dvc" / "tmp" / "runs").mkdir(parents=True)
    (root / ".dvc" / "tmp" / "runs" / f"{origin.fingerprint}.render.1").touch()  # as a power cut leaves it
    with training_run(root, origin):
        (run,) = contents(open_store(root).client)
        assert run["status"] == "RUNNING"
    assert close_dead_runs(open_store(root), root) == []


def test_moved_repository_finds_its_artifacts_again(root: Path, expected: list[dict], tmp_path: Path) -> None:
    enter_pipeline(root, tiny_origin())
    moved = root.rename(tmp_path / "moved")
    enter_training(moved, tiny_origin(fingerprint="1" * 16))
    client = open_store(moved).client
    first, second = contents(client)
    assert (first, second["files"]) == (expected[0], ["history", "history/epochs.csv"])
    assert not root.exists()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    for run in client.search_runs([experiment.experiment_id]):
        assert str(run.info.artifact_uri).startswith(moved.as_uri())
        assert Path(client.download_artifacts(run.info.run_id, "history/epochs.csv")).read_text() == "epoch\n1\n"


def test_place_of_artifacts_that_somebody_chose_is_left_alone(tmp_path: Path, empty_store: bytes) -> None:
    (tmp_path / "mlflow.db").write_bytes(empty_store)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute("UPDATE experiments SET artifact_location = 's3://bucket/mlartifacts'")
        connection.commit()
    store = open_store(tmp_path)
    assert store.client.get_experiment(store.experiment_id).artifact_location == "s3://bucket/mlartifacts"


def test_track_without_a_store_that_answers_ends_in_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://someone:hunter7@127.0.0.1:9")
    with pytest.raises(track.UserError, match=r"^MLflow failed: ") as caught:
        track.track(root)
    assert "hunter7" not in str(caught.value)
    assert "\n" not in str(caught.value)
