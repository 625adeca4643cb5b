"""The whole pipeline, by the commands that people type, on a tiny data set from a local server."""

import csv
import json
import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from safetensors import safe_open

from builders import FIGURES
from mnist_vae.common.params import FigureParams, ModelParams
from tiny_mnist import TEST_SIZE, TRAIN_SIZE
from tracked_stages import artifact_of
from working_copy import SMALL, WorkingCopy


def runs_of(copy: WorkingCopy) -> list[Run]:
    client = MlflowClient(f"sqlite:///{copy.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("mnist-vae")
    assert experiment is not None
    return client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])


def _classes(outputs: dict[str, bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(outputs["reports/classes.csv"].decode().splitlines()))


def test_repro_leaves_data_model_numbers_and_figures(reproduced: WorkingCopy) -> None:
    outputs = reproduced.outputs()
    figures = {f"reports/figures/{name}.png" for name in FIGURES} | {"reports/figures/interpolation.gif"}
    assert figures == {name for name in outputs if name.startswith("reports/figures/")}
    histories = {"reports/history/epochs.csv", "reports/history/steps.csv"}
    assert figures | histories | {
        "models/model.safetensors",
        "reports/latents.safetensors",
        "reports/pictures.safetensors",
        "reports/report.html",
    } <= set(outputs)
    metrics = json.loads(outputs["reports/metrics.json"])
    assert metrics["mse_minus1_to_1"] > 0
    assert [row["class"] for row in _classes(outputs)] == list("0123456789")
    steps = list(csv.DictReader(outputs["reports/history/steps.csv"].decode().splitlines()))
    assert len(steps) == SMALL["epochs"] * (TRAIN_SIZE - SMALL["validation_size"]) / SMALL["batch_size"]
    with safe_open(reproduced.folder / "data" / "prepared.safetensors", "np") as file:
        assert file.get_slice("test_images").get_shape() == [TEST_SIZE, 1, SMALL["image_size"], SMALL["image_size"]]


def test_second_repro_does_nothing(reproduced: WorkingCopy) -> None:
    assert "Data and pipelines are up to date" in reproduced.succeed("dvc", "repro")
    assert reproduced.succeed("git", "status", "--porcelain") == ""


def test_run_has_what_the_files_have(reproduced: WorkingCopy) -> None:
    (run,) = runs_of(reproduced)
    assert run.info.status == "FINISHED"
    params = {name: value for name, value in reproduced.params().items() if name in ModelParams.model_fields}
    # A list in the file is a tuple in the run.
    entered = {name: str(tuple(value) if isinstance(value, list) else value) for name, value in params.items()}
    assert run.data.params == {**entered, "free_nats": "0.0"}
    figures = {name: str(value) for name, value in reproduced.params().items() if name in FigureParams.model_fields}
    assert {name: run.data.tags[name] for name in figures} == figures
    client = MlflowClient(f"sqlite:///{reproduced.folder}/mlflow.db")
    outputs = reproduced.outputs()
    epochs = list(csv.DictReader(outputs["reports/history/epochs.csv"].decode().splitlines()))
    for name in ("train/loss", "validation/kl_nats_per_image"):
        points = client.get_metric_history(run.info.run_id, name)
        entered = [(point.step, point.value) for point in points]
        assert entered == [(int(row["epoch"]), pytest.approx(float(row[name.replace("/", "_")]))) for row in epochs]
    steps = client.get_metric_history(run.info.run_id, "train/step_loss")
    assert [point.step for point in steps] == list(range(1, len(steps) + 1))
    metrics = json.loads(outputs["reports/metrics.json"])
    assert run.data.metrics["test/mse_minus1_to_1"] == metrics["mse_minus1_to_1"]
    assert run.data.metrics["test/kl_nats/3"] == float(_classes(outputs)[3]["kl_nats"])


def test_artifacts_of_the_run_open_and_equal_the_files(reproduced: WorkingCopy) -> None:
    (run,) = runs_of(reproduced)
    assert run.info.artifact_uri is not None
    assert run.info.artifact_uri.startswith((reproduced.folder / "mlartifacts").as_uri())
    client = MlflowClient(f"sqlite:///{reproduced.folder}/mlflow.db")
    outputs = reproduced.outputs()
    for artifact in (
        "figures/samples.png",
        "figures/interpolation.gif",
        "history/epochs.csv",
        "metrics.json",
        "report.html",
    ):
        assert artifact_of(client, run, artifact) == outputs[f"reports/{artifact}"]


def test_run_names_its_origin(reproduced: WorkingCopy) -> None:
    (run,) = runs_of(reproduced)
    tags = run.data.tags
    with safe_open(reproduced.folder / "models" / "model.safetensors", "np") as file:
        origin = json.loads(file.metadata()["mnist_vae"])
    assert tags["fingerprint"] == origin["fingerprint"]
    lock = (reproduced.folder / "dvc.lock").read_text()
    assert f"md5: {tags['data_md5']}" in lock
    assert f"md5: {tags['model_md5']}" in lock
    assert tags["git_commit"] == reproduced.succeed("git", "rev-parse", "HEAD~1").strip()
    assert tags["git_dirty"] == "false"
    assert "dvc_experiment" not in tags


def test_store_is_in_wal_mode(reproduced: WorkingCopy) -> None:
    with closing(sqlite3.connect(reproduced.folder / "mlflow.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "SIGINT"), (signal.SIGTERM, "SIGTERM")])
def test_interrupted_training_ends_in_one_line_and_a_killed_run_and_resumes(
    reproduced: WorkingCopy, tmp_path: Path, number: signal.Signals, name: str
) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    copy.set_param("epochs", 100_000)
    stage = copy.start("python", "stages/train.py", stderr=subprocess.PIPE, PYTHONPATH="src")
    assert stage.stdout is not None
    while not stage.stdout.readline().startswith("epoch 2/"):
        assert stage.poll() is None
    stage.send_signal(number)
    _, complaint = stage.communicate(timeout=60)
    assert (stage.returncode, complaint) == (128 + number, f"train: stopped by {name}\n")
    run = runs_of(copy)[-1]
    assert (run.info.status, run.data.tags["reason"]) == ("KILLED", f"train: stopped by {name}")
    again = copy.start("python", "stages/train.py", PYTHONPATH="src")
    assert again.stdout is not None
    lines = [again.stdout.readline() for _ in range(2)]
    os.killpg(again.pid, signal.SIGKILL)
    again.communicate(timeout=60)
    assert lines[1].startswith("train: resuming at epoch ")


def _points(copy: WorkingCopy) -> dict[str, list[tuple[int, float]]]:
    """The points of the latest run, but for those of the clock and of the machine's load."""
    client, run = MlflowClient(f"sqlite:///{copy.folder}/mlflow.db"), runs_of(copy)[-1]
    assert run.info.status == "FINISHED"
    return {
        # Sorted, because an epoch that was not yet logged at a kill is logged at the end of the stage.
        name: sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, name))
        for name in run.data.metrics
        if not name.startswith(("speed/", "system/"))
    }


LONG = ["-S", "epochs=60", "-S", "kl_weight=0.5"]  # time enough to be killed in


@pytest.fixture(scope="module")
def undisturbed(reproduced: WorkingCopy, tmp_path_factory: pytest.TempPathFactory) -> WorkingCopy:
    """A working copy with a longer training, as the experiment `long`."""
    copy = reproduced.copied_to(tmp_path_factory.mktemp("undisturbed") / "clone")
    copy.succeed("dvc", "exp", "run", "--name", "long", *LONG)
    return copy


def test_experiment_gives_another_result_and_a_second_run(
    reproduced: WorkingCopy, undisturbed: WorkingCopy, tmp_path: Path
) -> None:
    copy = undisturbed.copied_to(tmp_path / "clone")
    shown = json.loads(copy.succeed("dvc", "exp", "show", "--json"))
    baseline = next(one for one in shown if one["rev"] != "workspace")
    (experiment,) = baseline["experiments"]
    changed = experiment["revs"][0]["data"]
    assert experiment["name"] == "long"
    assert changed["params"]["params.yaml"]["data"]["kl_weight"] == 0.5
    assert (
        changed["metrics"]["reports/metrics.json"]["data"]
        != baseline["data"]["metrics"]["reports/metrics.json"]["data"]
    )
    first, second = runs_of(copy)
    assert (first.data.params["kl_weight"], second.data.params["kl_weight"]) == ("0.1", "0.5")
    assert (second.info.status, second.data.tags["dvc_experiment"]) == ("FINISHED", "long")
    assert second.data.tags["dvc_apply"] == "dvc exp apply long"
    client = MlflowClient(f"sqlite:///{copy.folder}/mlflow.db")
    diff = artifact_of(client, second, "uncommitted.diff")
    assert b"+kl_weight: 0.5" in diff
    assert second.data.tags["dvc_baseline"] == copy.succeed("git", "rev-parse", "HEAD").strip()
    for command in ("metrics", "params", "plots"):
        assert copy.succeed("dvc", command, "diff")
    copy.succeed("git", "restore", "params.yaml", "dvc.lock", "reports")
    copy.succeed("dvc", "checkout")
    assert copy.outputs() == reproduced.outputs()


def test_training_killed_in_a_temporary_copy_resumes_to_the_same_bytes_in_the_same_run(
    reproduced: WorkingCopy, undisturbed: WorkingCopy, tmp_path: Path
) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    # Where DVC also runs queued experiments: in a copy of the repository that it deletes afterwards.
    command = ["dvc", "exp", "run", "--force", "--name", "long", "--temp", *LONG]
    process = copy.start(*command, MNIST_VAE_CHECKPOINT_SECONDS="0")
    assert process.stdout is not None
    while not process.stdout.readline().startswith("epoch 20/"):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert "train: resuming at epoch 2" in copy.succeed(*command)
    copy.succeed("dvc", "exp", "apply", "long")
    assert copy.outputs() == undisturbed.outputs()
    assert (copy.folder / "dvc.lock").read_bytes() == (undisturbed.folder / "dvc.lock").read_bytes()
    assert len(runs_of(copy)) == len(runs_of(undisturbed)) == 2
    assert _points(copy) == _points(undisturbed)
    assert not list((copy.folder / "checkpoints").glob("*.safetensors"))


def test_training_killed_and_then_on_a_full_disk_resumes_when_there_is_room(
    undisturbed: WorkingCopy, tmp_path: Path
) -> None:
    copy = undisturbed.copied_to(tmp_path / "clone")
    before = {
        name: (copy.folder / name).read_bytes() for name in ("models/model.safetensors", "reports/history/steps.csv")
    }
    train = ["python", "stages/train.py"]
    first = copy.start(*train, PYTHONPATH="src", MNIST_VAE_CHECKPOINT_SECONDS="0")
    assert first.stdout is not None
    while not first.stdout.readline().startswith("epoch 5/"):
        assert first.poll() is None
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate(timeout=60)
    (checkpoint,) = (copy.folder / "checkpoints").glob("*.safetensors")
    # Files cannot grow: the checkpoint does with its history, so some epochs later it cannot be written.
    blocks = checkpoint.stat().st_size // 512 + 3
    full = ["sh", "-c", f"ulimit -f {blocks}; exec {' '.join(train)}"]
    stopped = copy.run(*full, PYTHONPATH="src", MNIST_VAE_CHECKPOINT_SECONDS="0")
    assert stopped.returncode == 1
    assert "train: resuming at epoch " in stopped.stdout
    assert stopped.stdout.splitlines()[-1].endswith(" cannot be written (File too large): fix that and start again")
    assert "Traceback" not in stopped.stdout
    assert "train: resuming at epoch " in copy.succeed(*train, PYTHONPATH="src")
    assert {name: (copy.folder / name).read_bytes() for name in before} == before


def test_second_pipeline_in_the_same_workspace_is_refused_and_harms_nothing(
    reproduced: WorkingCopy, tmp_path: Path
) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    copy.set_param("interpolation_steps", 6)
    first = copy.start("dvc", "repro")
    assert first.stdout is not None
    while not first.stdout.readline().startswith("Running stage"):
        assert first.poll() is None
    second = copy.run("dvc", "repro")
    assert second.returncode != 0
    assert "Traceback" not in second.stdout
    printed, _ = first.communicate(timeout=120)
    assert first.returncode == 0, printed
    assert "Data and pipelines are up to date" in copy.succeed("dvc", "repro")


def test_lock_file_that_dvc_left_empty_stops_dvc_but_not_make_repro(reproduced: WorkingCopy, tmp_path: Path) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    (copy.folder / ".dvc" / "tmp" / "rwlock").write_text("")
    assert "JSON structure is corrupted" in copy.run("dvc", "repro", "--force").stdout
    assert "Data and pipelines are up to date" in copy.succeed("make", "repro")


def test_missing_data_set_is_dvcs_own_refusal_and_harms_nothing(reproduced: WorkingCopy, tmp_path: Path) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    params = copy.folder / "params.yaml"
    params.write_text(
        "".join(line for line in params.read_text().splitlines(keepends=True) if not line.startswith("dataset:"))
    )
    before = copy.outputs()
    done = copy.run("dvc", "repro")
    assert done.returncode != 0
    assert "dataset" in done.stdout
    assert "Traceback" not in done.stdout
    assert copy.outputs() == before


def test_figures_alone_are_redrawn_when_their_code_or_parameters_change(
    reproduced: WorkingCopy, tmp_path: Path
) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    figures = copy.folder / "src" / "mnist_vae" / "figures" / "grids.py"
    figures.write_text(figures.read_text() + "\n# a change\n")
    copy.set_param("interpolation_steps", 7)
    copy.set_param("fitted_components", 2)
    printed = copy.succeed("dvc", "repro")
    assert "Running stage 'render'" in printed
    assert "Running stage 'train'" not in printed
    (run,) = runs_of(copy)
    assert (run.info.status, run.data.tags["interpolation_steps"]) == ("FINISHED", "7")
    assert run.data.tags["fitted_components"] == "2"


def test_editing_tracking_or_what_a_person_sees_reruns_nothing(reproduced: WorkingCopy, tmp_path: Path) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    for name in ("tracking/run.py", "console/progress.py", "console/stage.py"):
        file = copy.folder / "src" / "mnist_vae" / name
        file.write_text(file.read_text() + "\n# a change\n")
    assert "Data and pipelines are up to date" in copy.succeed("dvc", "repro")


@pytest.mark.parametrize(
    ("override", "complaint"),
    [("kl_weigth=0.5", "kl_weigth"), ("kl_weight=-1", "kl_weight is -1"), ("+learning=1", "learning (value 1)")],
)
def test_wrong_parameter_stops_before_any_output_is_touched(
    reproduced: WorkingCopy, tmp_path: Path, override: str, complaint: str
) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    before = copy.outputs()
    done = copy.run("dvc", "exp", "run", "-S", override)
    assert done.returncode != 0
    assert complaint in done.stdout
    assert "Traceback" not in done.stdout
    assert copy.outputs() == before
