"""The Makefile: what its targets are, and that the digits' run leaves the workspace as it was."""

import json
import re

import pytest

from tiny_mnist import TinyServer
from working_copy import WorkingCopy

DIGITS = "DIGITS=-S dataset=digits -S validation_size=200 -S epochs=1 -S threads=1"


@pytest.fixture
def clone(clone: WorkingCopy) -> WorkingCopy:
    """A fresh clone that is set up, and from which no data set can be reached."""
    clone.environment["MNIST_MIRROR"] = str(clone.folder / "nowhere")
    clone.give_environment()
    return clone


def test_targets_are_about_ten_each_with_a_line(clone: WorkingCopy) -> None:
    printed = clone.succeed("make")
    targets = re.findall(r"^make (\w+) +\S", printed, flags=re.MULTILINE)
    assert {"help", "setup", "repro", "demo", "test", "lint", "format", "readme", "bench", "ui"} <= set(targets)
    assert len(targets) <= 12


def test_demo_is_what_repro_falls_back_to(clone: WorkingCopy) -> None:
    commands = clone.succeed("make", "--dry-run", "demo", DIGITS)
    assert "dvc exp run --temp --force --name digits-demo -S dataset=digits" in commands
    assert commands.endswith(clone.succeed("make", "--dry-run", "digits", DIGITS))


def test_run_on_digits_leaves_the_workspace_and_its_results_in_a_folder_of_their_own(clone: WorkingCopy) -> None:
    printed = clone.succeed("make", "repro", DIGITS)
    assert "The data set cannot be reached" in printed
    assert "Pictures: demo/figures" in printed
    assert not [name for name in clone.outputs() if not name.endswith(".gitignore")]
    assert clone.succeed("git", "status", "--porcelain") == ""
    assert (clone.folder / "demo" / "figures" / "samples.png").stat().st_size > 1000
    assert b'class="system"' in (clone.folder / "demo" / "report.html").read_bytes()
    assert json.loads((clone.folder / "demo" / "metrics.json").read_text())["kl_nats"] > 0
    assert "digits-demo" in clone.succeed("dvc", "exp", "list", "--name-only")


def test_repro_with_a_wrong_parameter_does_not_fall_back(clone: WorkingCopy, tiny_server: TinyServer) -> None:
    clone.environment["MNIST_MIRROR"] = f"{tiny_server.address}/whole"
    clone.set_param("epochs", 0)
    done = clone.run("make", "repro")
    assert done.returncode != 0
    assert "epochs is 0" in done.stdout
    assert "digits" not in done.stdout
