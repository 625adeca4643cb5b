"""The run that the stages of a pipeline share, against a real SQLite store, also when MLflow fails in every way."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import chdir, suppress
from pathlib import Path
from typing import Literal

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from interpreters import Interpreters
from mlflow_servers import BadServer, MlflowServer
from mnist_vae.common import paths
from mnist_vae.console.stage import Terminated, UserError
from mnist_vae.model.file import Origin
from mnist_vae.tracking.orphans import close_orphans
from mnist_vae.tracking.provenance import Uncommitted
from mnist_vae.tracking.run import TrackedRun, tracked_run
from mnist_vae.tracking.store import open_store
from tracked_stages import (
    EPOCHS,
    STAGES,
    artifact_of,
    contents,
    evaluate,
    make_repository,
    on_epoch_end,
    render,
    run_pipeline,
    train,
)

# A training whose process hangs in its run until it is killed.
HANGING = """
import sys, time
from builders import tiny_origin
from mnist_vae.tracking.provenance import Uncommitted
from mnist_vae.tracking.run import TrackedRun, tracked_run
with tracked_run("train", tiny_origin()):
    print("in it", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def root(tmp_path: Path, empty_store: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with prepared data and an empty store."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    make_repository(tmp_path / "root")
    (tmp_path / "root" / "mlflow.db").write_bytes(empty_store)
    open_store(tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return make_repository(tmp_path / "origin")


@pytest.fixture
def expected(tmp_path: Path, empty_store: bytes) -> list[dict]:
    """What a store holds that never failed."""
    root = tmp_path / "undisturbed"
    origin = make_repository(root)
    (root / "mlflow.db").write_bytes(empty_store)
    run_pipeline(root, origin)
    content = contents(open_store(root).client)
    assert [run["status"] for run in content] == ["FINISHED"]
    return content


def _statuses(root: Path) -> list[str]:
    return [run["status"] for run in contents(open_store(root).client)]


def test_run_is_finished_only_after_all_its_stages(root: Path, origin: Origin) -> None:
    seen = []
    train(root, origin, between=lambda _: seen.append(_statuses(root)))
    assert seen == [["RUNNING"]] * EPOCHS
    assert _statuses(root) == ["SCHEDULED"]
    evaluate(root, origin)
    assert _statuses(root) == ["SCHEDULED"]
    render(root, origin)
    assert _statuses(root) == ["FINISHED"]


def test_epochs_are_in_mlflow_while_the_training_runs(root: Path, origin: Origin) -> None:
    seen = []

    def look(_: int) -> None:
        (run,) = contents(open_store(root).client)
        seen.append([len(run["points"][name]) for name in ("validation/loss", "train/step_loss")])

    train(root, origin, between=look)
    assert seen == [[epoch, 4 * epoch] for epoch in range(1, EPOCHS + 1)]


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (UserError("no such thing"), "FAILED", "train: no such thing"),
        (ValueError("a bug"), "FAILED", "train: ValueError: a bug"),
        (KeyboardInterrupt(), "KILLED", "train: stopped by SIGINT"),
        (Terminated(), "KILLED", "train: stopped by SIGTERM"),
    ],
)
def test_run_that_does_not_end_well_says_why_and_a_later_success_repairs_it(
    root: Path, origin: Origin, error: BaseException, status: str, reason: str
) -> None:
    with pytest.raises(type(error)), chdir(root), tracked_run("train", origin):
        raise error
    (run,) = contents(open_store(root).client)
    assert (run["status"], run["tags"]["reason"], run["tags"]["stage.train"]) == (status, reason, status.lower())
    train(root, origin)
    (run,) = contents(open_store(root).client)
    assert (run["status"], "reason" in run["tags"]) == ("SCHEDULED", False)


def test_failure_is_logged_although_sigterm_arrives_meanwhile(
    root: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def terminate(*_: object) -> None:
        raise Terminated

    stop = TrackedRun.stop

    def stop_late(self: TrackedRun, status: Literal["FAILED", "KILLED"], reason: str) -> None:
        signal.raise_signal(signal.SIGTERM)
        stop(self, status, reason)

    monkeypatch.setattr(TrackedRun, "stop", stop_late)
    former = signal.signal(signal.SIGTERM, terminate)
    try:
        with pytest.raises(UserError, match="the loss"), chdir(root), tracked_run("train", origin):
            raise UserError("the loss was not finite")
        assert signal.getsignal(signal.SIGTERM) is terminate
    finally:
        signal.signal(signal.SIGTERM, former)
    assert _statuses(root) == ["FAILED"]


def test_stopped_training_resumes_in_its_run_without_points_twice(
    root: Path, origin: Origin, expected: list[dict]
) -> None:
    with suppress(KeyboardInterrupt), chdir(root), tracked_run("train", origin) as run:
        on_epoch_end(run, 1)
        raise KeyboardInterrupt
    assert _statuses(root) == ["KILLED"]
    train(root, origin, first=2)
    evaluate(root, origin)
    render(root, origin)
    assert contents(open_store(root).client) == expected


def test_training_again_after_a_finished_run_makes_a_second_one(
    root: Path, origin: Origin, expected: list[dict]
) -> None:
    run_pipeline(root, origin)
    run_pipeline(root, origin)
    assert contents(open_store(root).client) == expected * 2


def test_stages_run_again_change_their_part_and_nothing_twice(root: Path, origin: Origin) -> None:
    run_pipeline(root, origin)
    for mse in (0.25, 0.5, 0.5):
        evaluate(root, origin, mse)
    render(root, origin, b"other")
    (run,) = contents(open_store(root).client)
    assert run["points"]["test/mse"] == [(0, 0.25), (0, 0.5)]
    client = open_store(root).client
    (stored,) = client.search_runs(["1"])
    assert artifact_of(client, stored, "figures/samples.png") == b"other"


def test_load_of_the_machine_is_logged_while_a_training_runs(
    root: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    store, metrics = open_store(root), {}
    with chdir(root), suppress(KeyboardInterrupt), tracked_run("train", origin):
        for _ in range(600):
            metrics = store.client.search_runs([store.experiment_id])[0].data.metrics
            if "system/cpu_utilization_percentage" in metrics:
                break
            time.sleep(0.1)
        raise KeyboardInterrupt
    assert 0 <= metrics["system/cpu_utilization_percentage"] <= 100
    assert 0 < metrics["system/system_memory_usage_megabytes"] < psutil.virtual_memory().total / 1e6


def test_next_stage_closes_an_orphaned_run_and_keeps_that_of_a_running_process(
    root: Path, origin: Origin, interpreters: Interpreters
) -> None:
    process = interpreters.start(HANGING, root)
    other = origin.model_copy(update={"fingerprint": "1" * 16})
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "in it\n"
        train(root, other)
        assert _statuses(root) == ["RUNNING", "SCHEDULED"]
    finally:
        process.kill()
        process.communicate(timeout=60)
    assert _statuses(root) == ["RUNNING", "SCHEDULED"]
    evaluate(root, other)
    orphan, mine = contents(open_store(root).client)
    assert (orphan["status"], orphan["tags"]["stage.train"]) == ("KILLED", "killed")
    assert orphan["tags"]["reason"] == "train: its process ended without giving a reason"
    assert mine["status"] == "SCHEDULED"
    assert list((root / ".dvc" / "tmp" / "runs").iterdir()) == []


def test_run_is_not_orphaned_while_another_process_works_on_it(root: Path, origin: Origin) -> None:
    with chdir(root), tracked_run("train", origin):
        (alive,) = (root / ".dvc" / "tmp" / "runs").iterdir()
        # As a stage leaves it that was killed in the same run before.
        alive.with_name(f"{origin.fingerprint}.train.01234567").touch()
        assert close_orphans(open_store(root), root) == []
        assert _statuses(root) == ["RUNNING"]
        assert list((root / ".dvc" / "tmp" / "runs").iterdir()) == [alive]


def test_reason_in_a_run_has_no_password(root: Path, origin: Origin) -> None:
    with suppress(UserError), chdir(root), tracked_run("train", origin):
        raise UserError("cannot read http://me:hunter7@host/prepared")
    (run,) = contents(open_store(root).client)
    assert run["tags"]["reason"] == "train: cannot read http://host/prepared"


def test_history_is_read_once_a_training(root: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    read, original = [], MlflowClient.get_metric_history

    def count(client: MlflowClient, run_id: str, name: str) -> list[Metric]:
        read.append(name)
        return original(client, run_id, name)

    monkeypatch.setattr(MlflowClient, "get_metric_history", count)
    train(root, origin)
    assert sorted(read) == sorted(set(read))


def test_resumed_training_names_the_experiment_that_it_is_now(
    root: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "first-try")
    with suppress(KeyboardInterrupt), chdir(root), tracked_run("train", origin):
        raise KeyboardInterrupt
    monkeypatch.setenv("DVC_EXP_NAME", "second-try")  # DVC names it again
    train(root, origin)
    store = open_store(root)
    (run,) = store.client.search_runs([store.experiment_id])
    assert run.data.tags["dvc_apply"] == "dvc exp apply second-try"
    assert run.info.run_name == "second-try"
    assert "second-try" in run.data.tags["mlflow.note.content"]


def test_resumed_training_names_no_experiment_and_no_change_that_are_not_its_own(
    root: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    diffs = iter([Uncommitted(b"a change\n", []), Uncommitted(b"", ["large.bin"])])
    monkeypatch.setattr("mnist_vae.tracking.run.uncommitted_diff", lambda _: next(diffs))
    monkeypatch.setenv("DVC_EXP_NAME", "try")
    with suppress(KeyboardInterrupt), chdir(root), tracked_run("train", origin):
        raise KeyboardInterrupt
    monkeypatch.delenv("DVC_EXP_NAME")
    train(root, origin)
    client = open_store(root).client
    (run,) = contents(client)
    assert not {"dvc_experiment", "dvc_apply"} & run["tags"].keys()
    (stored,) = client.search_runs(["1"])
    assert stored.info.run_name == "conv, kl_weight 0.1"
    assert artifact_of(client, stored, "uncommitted.diff") == b""


@pytest.mark.parametrize(
    ("uncommitted", "line"),
    [
        (
            Uncommitted(b"", ["large.bin"]),
            "train: uncommitted.diff lacks large.bin (untracked, above 1 MiB): git add it\n",
        ),
        (Uncommitted(None, []), "train: Git failed, so the run has no uncommitted.diff\n"),
    ],
)
def test_message_names_what_the_diff_lacks(
    root: Path,
    origin: Origin,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    uncommitted: Uncommitted,
    line: str,
) -> None:
    monkeypatch.setattr("mnist_vae.tracking.run.uncommitted_diff", lambda _: uncommitted)
    train(root, origin)
    assert capsys.readouterr().out == line


def test_run_id_in_the_environment_has_no_effect_which_is_said(
    root: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    train(root, origin)
    assert "train: MLFLOW_RUN_ID has no effect" in capsys.readouterr().out
    assert _statuses(root) == ["SCHEDULED"]


def test_stage_run_alone_logs_its_part_where_files_of_earlier_ones_are_missing(root: Path, origin: Origin) -> None:
    run_pipeline(root, origin)
    (root / paths.STEPS).unlink()
    evaluate(root, origin, mse=0.5)
    (run,) = contents(open_store(root).client)
    assert (run["status"], run["points"]["test/mse"]) == ("FINISHED", [(0, 0.25), (0, 0.5)])


@pytest.mark.parametrize("address", ["postgresql://me:hunter7@127.0.0.1:9/runs", "mysql://me:hunter7@127.0.0.1:9/runs"])
def test_database_that_refuses_is_asked_once(
    root: Path,
    origin: Origin,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setattr("mlflow.store.db.utils.time.sleep", lambda _: pytest.fail("waits to ask again"))
    train(root, origin)
    (line,) = capsys.readouterr().out.splitlines()
    assert "MLflow failed, so this stage continues without it" in line
    assert "hunter7" not in line


@pytest.fixture(params=["hangs", "500", "401", "507"])
def bad_server(request: pytest.FixtureRequest) -> Iterator[BadServer]:
    server = BadServer(request.param)
    yield server
    server.close()


def test_stage_waits_once_for_a_failing_server_and_prints_one_line_and_the_values_are_logged_later(
    root: Path,
    origin: Origin,
    bad_server: BadServer,
    expected: list[dict],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", bad_server.address)
    for calls, stage in enumerate(STAGES, start=1):
        stage(root, origin)
        # One that answers at all is asked twice. Each waits for MLFLOW_HTTP_REQUEST_TIMEOUT at most.
        assert bad_server.requests == calls * (1 if bad_server.manner == "hangs" else 2)
        (line,) = capsys.readouterr().out.splitlines()
        assert "MLflow failed, so this stage continues without it" in line
        assert "hunter7" not in line
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "3"
    assert not [path for path in root.rglob("*") if path.is_file() and b"hunter7" in path.read_bytes()]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    render(root, origin)
    assert contents(open_store(root).client) == expected


@pytest.mark.parametrize("down", [(0,), (0, 1), (1,)])
def test_what_a_stage_could_not_log_a_later_one_does(
    root: Path, origin: Origin, expected: list[dict], monkeypatch: pytest.MonkeyPatch, down: tuple[int, ...]
) -> None:
    for number, stage in enumerate(STAGES):
        if number in down:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        else:
            monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        stage(root, origin)
    assert contents(open_store(root).client) == expected


def test_server_that_crashes_in_the_middle_of_a_training_gets_the_rest_when_it_is_back(
    root: Path,
    origin: Origin,
    expected: list[dict],
    interpreters: Interpreters,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = MlflowServer(tmp_path / "server", f"sqlite:///{tmp_path}/server.db", interpreters)
    server.start()
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
        train(root, origin, between=lambda epoch: epoch == 1 and server.kill())
        (line,) = capsys.readouterr().out.splitlines()
        assert "continues without it" in line
        server.start()
        evaluate(root, origin)
        render(root, origin)
        assert capsys.readouterr().out == ""
        assert contents(MlflowClient(server.address)) == expected
    finally:
        server.kill()


def test_run_that_could_not_be_closed_is_closed_by_the_next_command(
    root: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a context of its own, whose end leaves alone what fixtures changed.
    with monkeypatch.context() as patch, suppress(UserError), chdir(root), tracked_run("train", origin):
        patch.setattr(MlflowClient, "set_tag", _fail)
        # It waits for MLflow, twice, which is too long if that hangs.
        patch.setattr(SystemMetricsMonitor, "finish", lambda _: pytest.fail("waits for MLflow"))
        raise UserError("no such thing")
    assert _statuses(root) == ["RUNNING"]
    train(root, origin.model_copy(update={"fingerprint": "1" * 16}))
    assert _statuses(root) == ["KILLED", "SCHEDULED"]


def _fail(*_: object) -> None:
    raise ConnectionError("the server is gone")


def test_moved_repository_finds_its_artifacts_again(
    root: Path, origin: Origin, expected: list[dict], tmp_path: Path
) -> None:
    run_pipeline(root, origin)
    moved = root.rename(tmp_path / "moved")
    train(moved, origin.model_copy(update={"fingerprint": "1" * 16}))
    client = open_store(moved).client
    assert contents(client)[0] == expected[0]
    for run in client.search_runs(["1"]):
        assert str(run.info.artifact_uri).startswith(moved.as_uri())
        assert artifact_of(client, run, "history/epochs.csv")
