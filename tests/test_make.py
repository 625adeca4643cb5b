"""The Makefile: what its targets are, and that the digits' run leaves the workspace as it was."""

import json
import re
from pathlib import Path

import pytest

from tiny_mnist import TinyServer
from working_copy import WorkingCopy

DIGITS = "DIGITS=-S dataset=digits -S validation_size=200 -S epochs=1 -S threads=1"


@pytest.fixture
def clone(tmp_path: Path) -> WorkingCopy:
    """A fresh clone, from which no data set can be reached."""
    clone = WorkingCopy(tmp_path / "clone", str(tmp_path / "nowhere"))
    clone.give_environment()
    return clone


def test_targets_are_about_ten_each_with_a_line(clone: WorkingCopy) -> None:
    printed = clone.succeed("make")
    targets = re.findall(r"^make (\w+) +\S", printed, flags=re.MULTILINE)
    assert {"help", "setup", "repro", "demo", "test", "lint", "format", "readme", "bench", "ui"} <= set(targets)
    assert len(targets) <= 12


@pytest.mark.parametrize("target", ["demo", "repro"])
def test_run_on_digits_leaves_the_workspace_and_its_results_in_a_folder_of_their_own(
    clone: WorkingCopy, target: str
) -> None:
    printed = clone.succeed("make", target, DIGITS)
    assert ("The data set cannot be reached" in printed) == (target == "repro")
    assert "Pictures: demo/figures" in printed
    assert not [name for name in clone.outputs() if not name.endswith(".gitignore")]
    assert clone.succeed("git", "status", "--porcelain") == ""
    assert (clone.folder / "demo" / "figures" / "samples.png").stat().st_size > 1000
    assert b'class="system"' in (clone.folder / "demo" / "report.html").read_bytes()
    assert json.loads((clone.folder / "demo" / "metrics.json").read_text())["kl_nats"] > 0
    assert "digits-demo" in clone.succeed("dvc", "exp", "list", "--name-only")


def test_repro_with_a_wrong_parameter_does_not_fall_back(tmp_path: Path, tiny_server: TinyServer) -> None:
    clone = WorkingCopy(tmp_path / "clone", f"{tiny_server.address}/whole")
    clone.give_environment()
    clone.set_param("epochs", 0)
    done = clone.run("make", "repro")
    assert done.returncode != 0
    assert "epochs is 0" in done.stdout
    assert "digits" not in done.stdout
