"""A training of two processes, by the commands that people type, and what becomes of it when something ends one."""

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from commands import processes_in
from working_copy import WorkingCopy

TRAIN = ["env", "MNIST_VAE_CHECKPOINT_SECONDS=0", "PYTHONPATH=src", "python", "stages/train.py"]
TRAINED = ["models/model.safetensors", "reports/history/epochs.csv", "reports/history/steps.csv"]


def _last_run(copy: WorkingCopy) -> Run:
    client = MlflowClient(f"sqlite:///{copy.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("mnist-vae")
    assert experiment is not None
    return client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])[-1]


def _read_until(stage: subprocess.Popen[str], start: str) -> None:
    assert stage.stdout is not None
    lines = []
    while not (lines or [""])[-1].startswith(start):
        lines.append(stage.stdout.readline())
        assert stage.poll() is None, lines


def _until(stage: subprocess.Popen[str], start: str) -> list[psutil.Process]:
    """Wait for a line of the stage. Its ranks, in their order."""
    _read_until(stage, start)
    children = {child.environ().get("RANK"): child for child in psutil.Process(stage.pid).children()}
    return [children[rank] for rank in ("0", "1")]  # other children are no ranks


def _assert_end(ranks: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(ranks, timeout=10)
    assert not alive


@pytest.fixture(scope="module")
def undisturbed(reproduced: WorkingCopy, tmp_path_factory: pytest.TempPathFactory) -> WorkingCopy:
    """After `dvc repro evaluate` with training in two processes."""
    copy = reproduced.copied_to(tmp_path_factory.mktemp("undisturbed") / "clone")
    copy.set_param("processes", 2)
    copy.set_param("epochs", 6)
    printed = copy.succeed("dvc", "repro", "evaluate")
    assert "2 processes" in printed
    assert [printed.count(line) for line in ("train: on cpu", "epoch 1/6 ", "epoch 6/6 ", "evaluate: MSE")] == [1] * 4
    return copy


def test_training_of_two_processes_is_one_run(undisturbed: WorkingCopy) -> None:
    run = _last_run(undisturbed)
    assert (run.info.status, run.data.params["processes"]) == ("SCHEDULED", "2")  # render is still to come
    client = MlflowClient(f"sqlite:///{undisturbed.folder}/mlflow.db")
    assert [point.step for point in client.get_metric_history(run.info.run_id, "train/loss")] == [1, 2, 3, 4, 5, 6]
    assert "Data and pipelines are up to date" in undisturbed.succeed("dvc", "repro", "evaluate")


def test_whatever_ends_a_training_of_two_processes_ends_both_and_it_resumes_to_the_same_bytes(
    undisturbed: WorkingCopy, tmp_path: Path
) -> None:
    copy = undisturbed.copied_to(tmp_path / "clone")
    copy.use_real_interpreters()  # what ends whose processes is the claim
    for name in TRAINED:
        (copy.folder / name).unlink()

    stage = copy.start(*TRAIN, stderr=subprocess.PIPE)
    ranks = _until(stage, "epoch 1/")
    ranks[1].kill()
    _, complaint = stage.communicate(timeout=60)
    killed = "train: process 1 of 2 was ended by SIGKILL: type the same command again to resume\n"
    assert (stage.returncode, complaint) == (1, killed)
    _assert_end(ranks)
    assert (_last_run(copy).info.status, _last_run(copy).data.tags["reason"]) == ("KILLED", "train: stopped by SIGTERM")

    stage = copy.start(*TRAIN)
    ranks = _until(stage, "train: resuming at epoch ")
    os.kill(stage.pid, signal.SIGKILL)
    stage.communicate(timeout=60)
    _assert_end(ranks)

    copy.environment["PATH"] = undisturbed.environment["PATH"]  # nothing ends this one
    assert "train: resuming at epoch " in copy.succeed(*TRAIN)
    assert [(copy.folder / name).read_bytes() for name in TRAINED] == [
        (undisturbed.folder / name).read_bytes() for name in TRAINED
    ]


def test_interrupted_training_of_two_processes_ends_in_one_line_and_a_killed_run(
    undisturbed: WorkingCopy, tmp_path: Path
) -> None:
    copy = undisturbed.copied_to(tmp_path / "clone")
    copy.set_param("epochs", 100_000)
    stage = copy.start(*TRAIN, stderr=subprocess.PIPE)
    _read_until(stage, "epoch 1/")
    ranks = [one for one in processes_in(copy.folder) if "RANK" in one.environ()]
    assert len(ranks) >= 2
    stage.send_signal(signal.SIGINT)
    _, complaint = stage.communicate(timeout=60)
    assert (stage.returncode, complaint) == (128 + signal.SIGINT, "train: stopped by SIGINT\n")
    _assert_end(processes_in(copy.folder))
    assert _last_run(copy).info.status == "KILLED"


def test_failure_of_both_processes_gets_one_line_and_a_failed_run(undisturbed: WorkingCopy, tmp_path: Path) -> None:
    copy = undisturbed.copied_to(tmp_path / "clone")
    copy.set_param("learning_rate", "1.0e+30")
    stage = copy.start(*TRAIN, stderr=subprocess.PIPE)
    _, complaint = stage.communicate(timeout=60)
    assert stage.returncode == 1
    assert complaint.count("\n") == 1
    assert complaint.startswith("train: the loss was not finite in epoch 1, step ")
    run = _last_run(copy)
    assert run.info.status == "FAILED"
    assert "the loss was not finite" in run.data.tags["reason"]


def test_unexpected_number_of_processes_is_refused(undisturbed: WorkingCopy) -> None:
    rank = {"TORCHELASTIC_RUN_ID": "test", "WORLD_SIZE": "3", "RANK": "1", "LOCAL_RANK": "1"}
    error_file = undisturbed.folder.parent / "error.json"
    command = ["env", *(f"{name}={value}" for name, value in rank.items()), f"TORCHELASTIC_ERROR_FILE={error_file}"]
    assert undisturbed.run(*command, *TRAIN).returncode == 1
    assert "torchrun started 3 processes, but processes is 2: make the two numbers equal" in error_file.read_text()
