"""Custom images through DVC: what runs, what is noticed, what is kept."""

import shutil
from pathlib import Path

import pytest

from image_folders import encoded, image_tree, picture, write_tree
from interpreters import Interpreters
from working_copy import WorkingCopy

SIZES = ("-S", "validation_size=0.2", "-S", "batch_size=4", "-S", "epochs=1")
WATCHES = "Running stage 'watch/dvc.yaml:custom'"
DOWNLOAD, PREPROCESS = "Running stage 'download'", "Running stage 'preprocess'"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "mine", image_tree({"cat": 20, "dog": 20}))


@pytest.fixture
def clone(tmp_path: Path, interpreters: Interpreters) -> WorkingCopy:
    clone = WorkingCopy(tmp_path / "clone", "", interpreters)
    clone.introduce()
    return clone


def _choose(mine: Path | str, *more: str) -> tuple[str, ...]:
    return ("-S", "dataset=custom", "-S", f"custom_data={mine}", *SIZES, *more)


def test_folder_becomes_figures_and_its_changes_are_noticed(clone: WorkingCopy, mine: Path) -> None:
    ends = ("-S", "interpolation_from=cat", "-S", "interpolation_to=dog")
    printed = clone.succeed("dvc", "exp", "run", *_choose(mine, *ends))
    assert "MLflow failed" not in printed
    assert (clone.folder / "reports" / "figures" / "interpolation.gif").exists()
    lines = (clone.folder / "reports" / "classes.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["class", "cat", "dog"]
    unchanged = clone.succeed("dvc", "repro")
    assert WATCHES in unchanged
    assert unchanged.count("didn't change, skipping") == 5
    (mine / "cat" / "000.png").write_bytes(encoded(picture(77)))
    changed = clone.succeed("dvc", "repro", "preprocess")
    assert DOWNLOAD in changed
    assert PREPROCESS in changed
    # What lies beside the images is none of DVC's business.
    (mine / ".DS_Store").touch()
    assert DOWNLOAD not in clone.succeed("dvc", "repro", "preprocess")


def test_other_data_sets_do_not_watch_the_folder(clone: WorkingCopy) -> None:
    clone.succeed("dvc", "exp", "run", "-S", "dataset=digits", "-S", "validation_size=0.1", "preprocess")
    printed = clone.succeed("dvc", "repro", "preprocess")
    assert WATCHES not in printed
    assert "Data and pipelines are up to date" in printed


def test_relative_folder_is_found_from_a_temporary_copy(clone: WorkingCopy, mine: Path) -> None:
    mine.rename(clone.folder / "data_of_mine")
    (clone.folder / ".git" / "info" / "exclude").write_text("/data_of_mine\n")
    printed = clone.succeed("dvc", "exp", "run", "--temp", *_choose("data_of_mine"), "preprocess")
    assert f"watch: 40 files in {clone.folder / 'data_of_mine'}" in printed


def test_pulled_files_are_used_without_the_folder_and_another_name_is_refused(clone: WorkingCopy, mine: Path) -> None:
    clone.succeed("dvc", "exp", "run", *_choose(mine), "preprocess")
    clone.succeed("dvc", "remote", "add", "--default", "storage", str(mine.parent / "storage"))
    clone.succeed("dvc", "push")
    clone.commit()
    shutil.rmtree(mine)
    clone.succeed("git", "clone", "--quiet", ".", str(mine.parent / "another-machine"))
    clone.folder = mine.parent / "another-machine"
    clone.introduce()
    clone.succeed("dvc", "pull", "preprocess", "download")
    printed = clone.succeed("dvc", "repro", "preprocess")
    assert "is not on this machine: the pipeline uses the copies of its files that DVC keeps" in printed
    assert DOWNLOAD not in printed
    assert PREPROCESS not in printed
    refused = clone.run("dvc", "exp", "run", "-S", f"custom_data={mine}2", "preprocess")
    assert refused.returncode != 0
    (line,) = [line for line in refused.stdout.splitlines() if line.startswith("watch: ")]
    assert f"custom_data is {mine}2, which is missing" in line
    assert line.endswith("type git restore params.yaml")


def test_fault_is_one_line_and_loses_nothing(clone: WorkingCopy, mine: Path) -> None:
    clone.succeed("dvc", "exp", "run", *_choose(mine), "preprocess")
    kept = clone.folder / "data" / "raw" / "custom" / "images.tar"
    before = kept.read_bytes()
    (mine / "cat" / "000.png").write_bytes(b"spoilt")
    refused = clone.run("dvc", "repro", "preprocess")
    assert "Traceback" not in refused.stdout
    (line,) = [line for line in refused.stdout.splitlines() if line.startswith("download: ")]
    assert "has 1 fault: 1 × an image that cannot be read (cat/000.png: no PNG, JPEG, WebP, BMP or TIFF)" in line
    assert kept.read_bytes() == before
