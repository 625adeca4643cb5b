"""Stages of two processes, by the commands that people type, and what becomes of them when something ends one."""

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from working_copy import WorkingCopy

TRAIN = [
    "env",
    "MNIST_VAE_CHECKPOINT_SECONDS=0",
    "python",
    "stages/train.py",
    "data/prepared.safetensors",
    "models/model.safetensors",
]
TRAIN += ["reports/history/epochs.csv", "reports/history/steps.csv", "reports/environment.json"]
TRAINED = ["models/model.safetensors", "reports/history/epochs.csv", "reports/history/steps.csv"]


def _last_run(copy: WorkingCopy) -> Run:
    client = MlflowClient(f"sqlite:///{copy.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("mnist-vae")
    assert experiment is not None
    return client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])[-1]


def _until(stage: subprocess.Popen[str], start: str) -> list[psutil.Process]:
    """Wait for a line of the stage. Its ranks, in their order."""
    assert stage.stdout is not None
    lines = []
    while not (lines or [""])[-1].startswith(start):
        lines.append(stage.stdout.readline())
        assert stage.poll() is None, lines
    ranks = {child.environ()["RANK"]: child for child in psutil.Process(stage.pid).children()}
    return [ranks[rank] for rank in sorted(ranks)]


def _assert_end(ranks: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(ranks, timeout=10)
    assert not alive


@pytest.fixture(scope="module")
def undisturbed(reproduced: WorkingCopy, tmp_path_factory: pytest.TempPathFactory) -> WorkingCopy:
    """After `dvc repro evaluate` with two processes: train and evaluate are those that have them."""
    copy = reproduced.copied_to(tmp_path_factory.mktemp("undisturbed") / "clone")
    copy.set_param("processes", 2)
    copy.set_param("epochs", 6)
    printed = copy.succeed("dvc", "repro", "evaluate")
    assert "2 processes" in printed
    assert [printed.count(line) for line in ("train: on cpu", "epoch 1/6 ", "epoch 6/6 ", "evaluate: MSE")] == [1] * 4
    return copy


def test_training_and_evaluation_by_two_processes_are_one_run(undisturbed: WorkingCopy) -> None:
    run = _last_run(undisturbed)
    assert (run.info.status, run.data.params["processes"]) == ("SCHEDULED", "2")  # render is still to come
    client = MlflowClient(f"sqlite:///{undisturbed.folder}/mlflow.db")
    assert [point.step for point in client.get_metric_history(run.info.run_id, "train/loss")] == [1, 2, 3, 4, 5, 6]
    assert "Data and pipelines are up to date" in undisturbed.succeed("dvc", "repro", "evaluate")


def test_whatever_ends_a_training_of_two_processes_ends_both_and_it_goes_on_to_the_same_bytes(
    undisturbed: WorkingCopy, tmp_path: Path
) -> None:
    copy = undisturbed.copied_to(tmp_path / "clone")
    for name in TRAINED:
        (copy.folder / name).unlink()

    stage = copy.start(*TRAIN, stderr=subprocess.PIPE, PYTHONPATH="src")
    ranks = _until(stage, "epoch 1/")
    ranks[1].kill()
    _, complaint = stage.communicate(timeout=60)
    killed = "train: process 1 of 2 was ended by SIGKILL: start again, to go on\n"
    assert (stage.returncode, complaint) == (1, killed)
    _assert_end(ranks)
    assert (_last_run(copy).info.status, _last_run(copy).data.tags["reason"]) == ("KILLED", "train: stopped by SIGTERM")

    stage = copy.start(*TRAIN, stderr=subprocess.PIPE, PYTHONPATH="src")
    ranks = _until(stage, "train: goes on in epoch ")
    stage.send_signal(signal.SIGINT)
    _, complaint = stage.communicate(timeout=60)
    assert (stage.returncode, complaint) == (128 + signal.SIGINT, "train: stopped by SIGINT\n")
    _assert_end(ranks)
    assert (_last_run(copy).info.status, _last_run(copy).data.tags["reason"]) == ("KILLED", "train: stopped by SIGINT")

    stage = copy.start(*TRAIN, PYTHONPATH="src")
    ranks = _until(stage, "train: goes on in epoch ")
    os.kill(stage.pid, signal.SIGKILL)
    stage.communicate(timeout=60)
    _assert_end(ranks)

    assert "train: goes on in epoch " in copy.succeed(*TRAIN, PYTHONPATH="src")
    assert [(copy.folder / name).read_bytes() for name in TRAINED] == [
        (undisturbed.folder / name).read_bytes() for name in TRAINED
    ]


def test_failure_of_both_processes_gets_one_line_and_a_failed_run(undisturbed: WorkingCopy, tmp_path: Path) -> None:
    copy = undisturbed.copied_to(tmp_path / "clone")
    copy.set_param("learning_rate", "1.0e+30")
    stage = copy.start(*TRAIN, stderr=subprocess.PIPE, PYTHONPATH="src")
    _, complaint = stage.communicate(timeout=60)
    assert stage.returncode == 1
    assert complaint.count("\n") == 1
    assert complaint.startswith("train: the loss was no finite number in epoch 1, step ")
    run = _last_run(copy)
    assert run.info.status == "FAILED"
    assert "the loss was no finite number" in run.data.tags["reason"]


def test_other_number_of_processes_than_wanted_is_refused(undisturbed: WorkingCopy) -> None:
    rank = {"TORCHELASTIC_RUN_ID": "test", "WORLD_SIZE": "3", "RANK": "1", "LOCAL_RANK": "1"}
    store = str(undisturbed.folder / ".dvc" / "tmp" / "store")
    command = ["env", *(f"{name}={value}" for name, value in rank.items()), f"MNIST_VAE_RANKS={store}", *TRAIN]
    refused = undisturbed.run(*command, PYTHONPATH="src")
    assert refused.returncode == 1
    assert refused.stdout == "train: torchrun started 3 processes, but processes is 2: make them equal\n"
