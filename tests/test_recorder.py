"""The recorder as the process of its own that it is: it outlives the stage, and the stage does not wait for it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from builders import tiny_origin
from mlflow_servers import BadServer
from mnist_vae.console.stage import UserError
from mnist_vae.tracking.entries import BeginStage
from mnist_vae.tracking.naming import new_run
from mnist_vae.tracking.outbox import Outbox
from mnist_vae.tracking.recorder_process import RecorderProcess
from mnist_vae.tracking.store import open_store
from tracked_stages import ENVIRONMENT, contents, enter_evaluation, enter_training

ROOT = Path(__file__).parent.parent
REASON = "train: its process ended without a word"
# A training whose process hangs in its run until it is killed.
HANGING = """
import sys, time
from pathlib import Path
from builders import tiny_origin
from mnist_vae.tracking.recorder_process import RecorderProcess
from mnist_vae.tracking.run import track_training_run
recorder = RecorderProcess(Path(sys.argv[1]), "train")
with track_training_run(recorder, tiny_origin(), "cpu"):
    print("in it", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def root(tmp_path: Path, empty_store: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with an empty store."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "mlflow.db").write_bytes(empty_store)
    open_store(tmp_path)
    return tmp_path


def _start_hanging(root: Path) -> subprocess.Popen[str]:
    search = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    command = [sys.executable, "-c", HANGING, str(root)]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": search}, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "in it\n"
    _wait_for(root, ["RUNNING"])
    return process


def _begun(root: Path) -> tuple[RecorderProcess, Outbox]:
    """The recorder of a training that has just begun, and its outbox."""
    run = new_run(root, tiny_origin(), ENVIRONMENT, "unfinished")
    outbox = Outbox(root, run.tags["fingerprint"])
    outbox.add(BeginStage(stage="train"), run)
    recorder = RecorderProcess(root, "train")
    recorder.begin(run.tags["fingerprint"], 0)
    return recorder, outbox


def _recorders() -> list[psutil.Process]:
    """The recorders that run, of this process; it may have other children, which other tests started."""
    return [child for child in psutil.Process().children() if "mnist_vae.tracking.recorder" in child.cmdline()]


def _wait_for(root: Path, statuses: list[str]) -> None:
    for _ in range(600):
        if [one["status"] for one in contents(open_store(root).client)] == statuses:
            return
        time.sleep(0.1)
    raise AssertionError(contents(open_store(root).client))


def test_run_of_a_killed_stage_is_closed_at_once(root: Path) -> None:
    process = _start_hanging(root)
    process.kill()
    process.communicate(timeout=60)  # until the recorder, which has the same output, is over too
    (run,) = contents(open_store(root).client)
    assert (run["status"], run["tags"]["reason"], run["tags"]["stage.train"]) == ("KILLED", REASON, "killed")


def test_run_of_a_stage_killed_with_its_recorder_is_closed_by_the_next_one_and_that_of_a_living_one_is_not(
    root: Path,
) -> None:
    process = _start_hanging(root)
    other = tiny_origin(fingerprint="1" * 16)
    try:
        enter_training(root, other)
        living, mine = contents(open_store(root).client)
        assert (living["status"], mine["status"]) == ("RUNNING", "SCHEDULED")
        (recorder,) = psutil.Process(process.pid).children()
        recorder.kill()  # its parent, which hangs, does not ask how it ended
        while recorder.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        enter_evaluation(root, other)
        assert contents(open_store(root).client)[0]["status"] == "RUNNING"
    finally:
        process.kill()
        process.communicate(timeout=60)
    enter_evaluation(root, other)
    dead, mine = contents(open_store(root).client)
    assert (dead["status"], dead["tags"]["reason"]) == ("KILLED", REASON)
    assert mine["status"] == "SCHEDULED"


def test_stage_that_settles_goes_on_when_the_recorder_is_at_work(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnist_vae.tracking.recorder_process._SECONDS_OF_START", 60)
    recorder, _ = _begun(root)
    recorder.settle()
    assert [one["status"] for one in contents(open_store(root).client)] == ["RUNNING"]
    assert recorder.close()


def test_recorder_of_a_stage_that_came_to_no_run_ends_without_a_word(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # nobody answers there
    with pytest.raises(UserError), RecorderProcess(root, "train"):
        raise UserError("the parameters are wrong")
    assert _recorders() == []
    killed = RecorderProcess(root, "train")  # with its stage, before it has a run
    assert killed.close()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("stage", ["train", "evaluate", "render"])
def test_stage_starts_its_recorder_before_it_imports_torch(stage: str) -> None:
    script = f"import runpy, sys; runpy.run_path('stages/{stage}.py'); print('torch' in sys.modules)"
    command = [sys.executable, "-c", script]
    assert subprocess.check_output(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": "src"}, text=True) == "False\n"


def test_load_of_the_machine_is_entered_while_a_training_runs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    process = _start_hanging(root)
    try:
        client, found = open_store(root).client, {}
        for _ in range(600):
            if "system/cpu_utilization_percentage" in found:
                break
            time.sleep(0.1)
            found = client.search_runs(["1"])[0].data.metrics
        assert 0 <= found["system/cpu_utilization_percentage"] <= 100
        assert 0 < found["system/system_memory_usage_megabytes"] < psutil.virtual_memory().total / 1e6
    finally:
        process.kill()
        process.communicate(timeout=60)


def test_recorder_that_takes_too_long_is_ended_and_loses_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = BadServer("hangs")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    monkeypatch.setattr("mnist_vae.tracking.recorder_process._SECONDS", 0.1)
    recorder, outbox = _begun(root)
    while not server.requests:
        time.sleep(0.05)
    assert not recorder.close()
    assert _recorders() == []
    assert len(outbox) == 1
    server.close()
