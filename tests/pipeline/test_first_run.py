"""The first run in a fresh clone: sources of data that fail, real MNIST, committed results."""

import copy
from pathlib import Path

import pytest
from mlflow import MlflowClient
from safetensors import safe_open

import verify
from places import REPOSITORY
from tiny_mnist import TinyServer
from working_copy import WorkingCopy


@pytest.mark.parametrize(
    ("manner", "reason"),
    [("truncated", "was interrupted"), ("corrupt", "wrong checksum"), ("absent", "HTTP 404")],
)
def test_bad_server_stops_the_pipeline_with_one_message_and_leaves_nothing(
    clone: WorkingCopy, tiny_server: TinyServer, manner: str, reason: str
) -> None:
    clone.environment["MNIST_MIRROR"] = f"{tiny_server.address}/{manner}"
    done = clone.run("dvc", "repro")
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    (message,) = [line for line in done.stdout.splitlines() if "could not be obtained" in line]
    assert reason in message
    assert "MNIST_MIRROR" in message
    assert not [name for name in clone.outputs() if not name.endswith(".gitignore")]
    if manner == "truncated":
        clone.succeed("dvc", "repro", "download", MNIST_MIRROR=f"{tiny_server.address}/whole")


def test_real_mnist_downloads_and_prepares(clone: WorkingCopy, mnist_mirror: Path) -> None:
    clone.environment["MNIST_MIRROR"] = str(mnist_mirror)
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
    here = verify.read_result(*((second.folder / path).read_text() for path in verify.FILES))
    verdict = verify.compare(verify.committed_result(reproduced.folder), here)
    assert verdict.line == "identical: each of the 11 outputs has the committed bytes"
    client = MlflowClient(f"sqlite:///{second.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("mnist-vae")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert "figures/samples.png" in [file.path for file in client.list_artifacts(run.info.run_id, "figures")]
