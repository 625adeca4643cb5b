"""Repositories as people have them: a part of a larger one, a shallow clone, other line ends, none at all."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from mlflow import MlflowClient

from experiments import Running
from mnist_vae.console.stage import UserError
from tracked_stages import artifact_of
from working_copy import WorkingCopy


@pytest.fixture
def part(reproduced: WorkingCopy, tmp_path: Path) -> WorkingCopy:
    """A project with results in a sub-folder of a larger Git repository, which knows other files as well."""
    top = tmp_path / "top"
    part = reproduced.copied_to(top / "a part")
    (part.folder / ".git").rename(top / ".git")
    (top / "dvc.lock").write_text("of another project")
    (top / "params.yaml").write_text("seed: 1")
    part.introduce()
    part.succeed("git", "add", "--all", "..")
    part.succeed("git", "commit", "--quiet", "--message", "as a part")
    return part


def test_tools_that_read_commits_work_in_a_part_of_a_larger_repository(part: WorkingCopy) -> None:
    part.succeed("dvc", "exp", "run", "--name", "half", "-S", "kl_weight=0.5")
    client = MlflowClient(f"sqlite:///{part.folder}/mlflow.db")
    (run,) = client.search_runs(["1"], "tags.dvc_experiment = 'half'")
    diff = artifact_of(client, run, "uncommitted.diff")
    assert "is version 1 of mnist-vae" in part.succeed("python", "tools/register.py", "half", "champion")
    for file in part.folder.glob("mlflow.db*"):
        file.unlink()
    printed = part.succeed("python", "tools/sync.py")
    assert "sync: experiment half is in run " in printed
    runs = MlflowClient(f"sqlite:///{part.folder}/mlflow.db").search_runs(["1"])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert "half" in part.succeed("python", "tools/plots.py", "HEAD", "half") + (
        (part.folder / "dvc_plots" / "index.html").read_text()
    )
    assert "identical" in part.succeed("python", "tools/verify.py")
    part.succeed("git", "restore", ".")
    assert part.params()["kl_weight"] != 0.5
    subprocess.run(["git", "apply"], input=diff, cwd=part.folder.parent, check=True)  # where Git's paths begin
    assert part.params()["kl_weight"] == 0.5


@pytest.mark.parametrize("tool", [["compare.py"], ["search.py", "--trials", "1"]])
def test_shallow_clone_is_named_before_anything_runs(reproduced: WorkingCopy, tmp_path: Path, tool: list[str]) -> None:
    shallow = reproduced.copied_to(tmp_path / "other")
    shallow.folder = tmp_path / "shallow"
    reproduced.succeed("git", "clone", "--quiet", "--depth", "1", reproduced.folder.as_uri(), str(shallow.folder))
    shallow.introduce()
    (shallow.folder / "presets.yaml").write_text("conv: {}")
    refused = shallow.run("python", f"tools/{tool[0]}", *tool[1:])
    assert refused.returncode == 1
    assert (
        refused.stdout.count("this clone is shallow, and DVC cannot keep experiments in it: type git fetch --unshallow")
        == 1
    )
    assert "Traceback" not in refused.stdout


def test_message_names_the_log_if_dvc_kept_no_result(reproduced: WorkingCopy, tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended_well:
        running = Running("mine", ended_well, tmp_path / "log", "refs/exps/00/00/mine", reproduced.folder)
        with pytest.raises(UserError, match=f"DVC kept no result of mine: see {tmp_path}/log"):
            running.wait()


def test_checkout_has_the_same_bytes_if_git_converts_line_ends(reproduced: WorkingCopy, tmp_path: Path) -> None:
    other = reproduced.copied_to(tmp_path / "other")
    other.folder = tmp_path / "crlf"
    autocrlf = ["-c", "core.autocrlf=true", "-c", "core.eol=crlf"]
    reproduced.succeed("git", *autocrlf, "clone", "--quiet", str(reproduced.folder), str(other.folder))
    for name in reproduced.succeed("git", "ls-files").splitlines():
        assert (other.folder / name).read_bytes() == (reproduced.folder / name).read_bytes(), name


def test_files_without_git_say_what_they_need(reproduced: WorkingCopy, tmp_path: Path) -> None:
    unpacked = reproduced.copied_to(tmp_path / "unpacked")
    shutil.rmtree(unpacked.folder / ".git")
    assert "usage" in unpacked.succeed("python", "tools/search.py", "--help")
    for command in (["make", "repro"], ["python", "tools/sync.py"], ["python", "tools/verify.py"]):
        refused = unpacked.run(*command, GIT_CEILING_DIRECTORIES=os.fspath(tmp_path))
        assert refused.returncode != 0
        assert "Traceback" not in refused.stdout
        assert "not a git repository" in refused.stdout
