"""What `dvc exp run` does to the workspace: refused parameters, small numbers, files that a person placed."""

import gzip
from pathlib import Path

import pytest

from tiny_mnist import tiny_files
from working_copy import WorkingCopy

REPRO = ("dvc", "repro", "download")
EXPERIMENT = ("dvc", "exp", "run", "-S", "kl_weight=0.5", "download")


@pytest.fixture
def clone(clone: WorkingCopy) -> WorkingCopy:
    """A fresh clone from which no data set can be reached."""
    clone.environment["MNIST_MIRROR"] = ""
    clone.introduce()
    return clone


def _place(folder: Path, *, packed: bool = True) -> dict[str, bytes]:
    contents = {
        file.name if packed else file.name.removesuffix(".gz"): file.content
        if packed
        else gzip.decompress(file.content)
        for file in tiny_files()
    }
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return contents


@pytest.mark.parametrize("order", [(REPRO, EXPERIMENT), (EXPERIMENT, REPRO)], ids=["repro first", "experiment first"])
@pytest.mark.parametrize("way", ["the folder that the message names", "MNIST_MIRROR"])
def test_remedy_in_the_message_works_with_every_command_and_keeps_the_files(
    clone: WorkingCopy, tmp_path: Path, order: tuple[tuple[str, ...], ...], way: str
) -> None:
    refused = clone.run(*order[0])
    (message,) = [line for line in refused.stdout.splitlines() if "could not be obtained" in line]
    folder = tmp_path / "files"
    if way == "MNIST_MIRROR":
        assert "MNIST_MIRROR" in message
        clone.environment["MNIST_MIRROR"] = str(folder)
    else:
        folder = Path(message.partition(" into ")[2].partition(" (")[0])
        assert folder.is_relative_to(clone.folder)
    placed = _place(folder, packed=way == "MNIST_MIRROR")
    for command in order:
        clone.succeed("git", "restore", "params.yaml")
        clone.succeed(*command)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == placed


def test_command_in_the_message_undoes_a_refused_value(clone: WorkingCopy) -> None:
    clone.succeed("dvc", "exp", "run", "-S", "dataset=digits", "-S", "kl_weight=0.3", "download")  # DVC's own format
    clone.commit()
    committed = (clone.folder / "params.yaml").read_bytes()
    for _ in range(4):  # Git would overlook most of these: the value has the same length
        refused = clone.run("dvc", "exp", "run", "-S", "kl_weight=-.1")
        (line,) = [line for line in refused.stdout.splitlines() if line.startswith("download: params.yaml: kl_weight")]
        way_back = line.rpartition(", type ")[2]
        assert way_back == "git restore params.yaml"
        assert b"kl_weight: -0.1" in (clone.folder / "params.yaml").read_bytes()
        clone.succeed(*way_back.split())
        assert (clone.folder / "params.yaml").read_bytes() == committed


def test_message_names_no_command_for_an_experiment_in_a_copy(clone: WorkingCopy) -> None:
    refused = clone.run("dvc", "exp", "run", "--temp", "-S", "kl_weight=-1")
    (line,) = [line for line in refused.stdout.splitlines() if line.startswith("download: params.yaml: kl_weight")]
    assert "git restore" not in line
    assert clone.succeed("git", "status", "--porcelain") == ""


def test_new_module_that_git_does_not_know_is_named_in_a_line(clone: WorkingCopy) -> None:
    package = clone.folder / "src" / "mnist_vae" / "sources"
    (package / "mine.py").write_text("NUMBER = 1\n")
    with (package / "idx.py").open("a") as file:
        file.write("\nimport mnist_vae.sources.mine\n")
    refused = clone.run("dvc", "exp", "run", "--temp", "-S", "dataset=digits", "download")
    assert "Traceback" not in refused.stdout
    (line,) = [line for line in refused.stdout.splitlines() if line.startswith("download: ")]
    way_out = line.rpartition("if it is new, ")[2]
    assert way_out == "git add src/mnist_vae/sources/mine.py"
    clone.succeed(*way_out.split())
    clone.succeed("dvc", "exp", "run", "--temp", "-S", "dataset=digits", "download")


def test_small_number_is_taken_as_dvc_writes_it(clone: WorkingCopy) -> None:
    clone.succeed("dvc", "exp", "run", "-S", "dataset=digits", "-S", "learning_rate=0.00001", "download")
    assert "learning_rate: 1e-05" in (clone.folder / "params.yaml").read_text()
