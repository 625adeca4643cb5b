"""Every row of the table of failures: the stage ends in one line and exit code 1, and what there was is still there."""

import shutil
from pathlib import Path

import pytest
import yaml

from failures import BASE, ENVIRONMENT, STAGES, Failure, failures
from interpreters import Interpreters
from places import REPOSITORY
from stage_process import Circumstances, can_mount, run_stage_in
from tiny_mnist import put_in_place_of_mnist, tiny_files

# Those that a function meets are tried on that function; one of each kind shows that the stage hands them on.
FAILURES = list({failure.function or object(): failure for failure in failures()}.values())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, interpreters: Interpreters) -> Path:
    """A folder in which every stage has run once. Tests copy it."""
    folder = tmp_path_factory.mktemp("whole") / "whole"
    for name in ("src", "stages"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    put_in_place_of_mnist(folder / "src" / "mnist_vae" / "common" / "catalogue.py")
    (folder / "params.yaml").write_text(yaml.safe_dump(BASE))
    (folder / ".dvc").mkdir()
    mirror = folder.parent / "mirror"
    mirror.mkdir()
    for file in tiny_files():
        (mirror / file.name).write_bytes(file.content)
    for stage in STAGES:
        ended = run_stage_in(interpreters, folder, stage, (), Circumstances({"MNIST_MIRROR": str(mirror)}))
        assert (ended.code, ended.complaint) == (0, ""), ended
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    # Without MLflow's files, half of all.
    return Path(shutil.copytree(whole, tmp_path / "folder", ignore=shutil.ignore_patterns("mlartifacts")))


def _files(folder: Path) -> dict[str, bytes]:
    """All that the pipeline made or was given, but for MLflow's mirror."""
    roots = [folder / name for name in ("data", "models", "reports", "checkpoints", "params.yaml")]
    files = [path for root in roots for path in (root, *root.rglob("*")) if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("failure", FAILURES, ids=[f"{one.stage}-{one.what}" for one in FAILURES])
def test_failure_prints_one_line_exits_with_1_and_loses_no_result(
    folder: Path, failure: Failure, interpreters: Interpreters
) -> None:
    if failure.around.read_only and not can_mount():
        pytest.skip("nobody here may mount a file system read-only")
    failure.spoil(folder)
    before = _files(folder)
    ended = run_stage_in(interpreters, folder, failure.stage, failure.arguments, failure.around)
    assert ended.code == 1
    assert ended.complaint.startswith(f"{failure.stage}: ")
    assert ended.complaint.count("\n") == 1
    for part in failure.says:
        assert part in ended.complaint
    after = _files(folder)
    assert {name: after.get(name) for name in before} == before
    # A training resumes from the point that it reached.
    assert [name for name in after if name not in before and not name.startswith("checkpoints/")] == []


@pytest.mark.parametrize("stage", STAGES)
def test_undamaged_files_cause_no_failure(folder: Path, stage: str, interpreters: Interpreters) -> None:
    (folder / ENVIRONMENT).unlink()
    expected = _files(folder) | ({str(ENVIRONMENT): b""} if stage == "train" else {})
    ended = run_stage_in(interpreters, folder, stage)
    assert (ended.code, ended.complaint) == (0, "")
    assert _files(folder).keys() == expected.keys()
