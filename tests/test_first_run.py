"""The first run in a fresh clone: sources of data that fail, `make repro` with and without its data set, real MNIST."""

import copy
from pathlib import Path

import pytest
from mlflow import MlflowClient
from safetensors import safe_open

import verify
from tiny_mnist import TinyServer
from working_copy import REPOSITORY, WorkingCopy


@pytest.mark.parametrize(
    ("manner", "reason"),
    [("truncated", "broke off"), ("corrupt", "wrong checksum"), ("absent", "HTTP 404")],
)
def test_bad_server_stops_the_pipeline_with_one_message_and_leaves_nothing(
    tmp_path: Path, tiny_server: TinyServer, manner: str, reason: str
) -> None:
    clone = WorkingCopy(tmp_path / "clone", f"{tiny_server.address}/{manner}")
    done = clone.run("dvc", "repro")
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    (message,) = [line for line in done.stdout.splitlines() if "could be had from nowhere" in line]
    assert reason in message
    assert "MNIST_MIRROR" in message
    assert not [name for name in clone.outputs() if not name.endswith(".gitignore")]
    if manner == "truncated":
        clone.succeed("dvc", "repro", "download", MNIST_MIRROR=f"{tiny_server.address}/whole")


def test_make_repro_without_the_data_set_runs_on_digits_and_says_so(tmp_path: Path) -> None:
    clone = WorkingCopy(tmp_path / "clone", str(tmp_path / "nowhere"))
    clone.give_environment()
    small = "-S dataset=digits -S validation_size=200 -S epochs=1 -S threads=1"
    printed = clone.succeed("make", "repro", f"DIGITS={small}")
    assert "The data set cannot be reached" in printed
    assert "To get back: git restore params.yaml" in printed
    assert clone.params()["dataset"] == "digits"
    assert "digits-instead" in clone.succeed("dvc", "exp", "list")
    assert "reports/figures/samples.png" in clone.outputs()


def test_make_repro_with_a_wrong_parameter_does_not_fall_back(tmp_path: Path, tiny_server: TinyServer) -> None:
    clone = WorkingCopy(tmp_path / "clone", f"{tiny_server.address}/whole")
    clone.give_environment()
    clone.set_param("epochs", 0)
    done = clone.run("make", "repro")
    assert done.returncode != 0
    assert "epochs is 0" in done.stdout
    assert "digits" not in done.stdout


def test_real_mnist_downloads_and_prepares(tmp_path: Path, mnist_mirror: Path) -> None:
    clone = WorkingCopy(tmp_path / "clone", str(mnist_mirror))
    table = Path("src") / "mnist_vae" / "common" / "catalogue.py"
    (clone.folder / table).write_text((REPOSITORY / table).read_text())
    clone.set_param("validation_size", 5000)
    clone.set_param("image_size", 32)
    clone.succeed("dvc", "repro", "preprocess")
    with safe_open(clone.folder / "data" / "prepared.safetensors", "np") as file:
        assert [len(file.get_tensor(f"{name}_labels")) for name in ("train", "validation", "test")] == [
            55000,
            5000,
            10000,
        ]
        test = file.get_tensor("test_labels")
    # The test classes' true sizes, which the tutorials take for 1,000 each.
    counts = [int((test == label).sum()) for label in range(10)]
    assert counts == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_clone_with_committed_results_gets_a_finished_run_with_figures(reproduced: WorkingCopy, tmp_path: Path) -> None:
    reproduced.succeed("git", "clone", "--quiet", str(reproduced.folder), str(tmp_path / "second"))
    second = copy.copy(reproduced)
    second.folder = tmp_path / "second"
    second.succeed("dvc", "repro")
    assert second.succeed("git", "status", "--porcelain") == ""
    assert second.outputs() == reproduced.outputs()
    names = ("dvc.lock", "reports/metrics.json", "reports/environment.json")
    here = verify.read_result(*((second.folder / name).read_text() for name in names))
    verdict = verify.compare(verify.committed_result(reproduced.folder), here)
    assert verdict.line == "identical: each of the 9 outputs has the committed bytes"
    client = MlflowClient(f"sqlite:///{second.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("mnist-vae")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert "figures/samples.png" in [file.path for file in client.list_artifacts(run.info.run_id, "figures")]
