"""The tables in benchmarks/README.md, against the measurements beside it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

import tables
from measure import commit_of, emulates
from mnist_vae.common import device
from places import REPOSITORY

FOLDER = REPOSITORY / "benchmarks"
TEXT = (FOLDER / "README.md").read_text()


def test_tables_are_those_of_the_committed_files() -> None:
    assert tables.filled_in(TEXT, FOLDER) == TEXT


@pytest.mark.parametrize("name", tables.TABLES)
def test_stale_table_is_noticed(name: str) -> None:
    result = json.loads((FOLDER / f"{name}.json").read_text())
    line = tables.section(name, result).splitlines()[-1]
    assert line in TEXT
    assert tables.filled_in(TEXT.replace(line, "| stale | 0 |"), FOLDER) == TEXT


@pytest.mark.parametrize(("precision", "is_left_out"), [(None, False), ("float32", False), ("bfloat16", True)])
def test_precision_that_is_emulated_is_left_out_with_a_line(
    precision: str | None,
    is_left_out: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(device, "is_emulated", lambda name, _: name == "bfloat16")
    assert emulates(precision, torch.device("cpu")) == is_left_out
    line = "bfloat16 is left out: this processor has no instructions for it\n"
    assert capsys.readouterr().out == (line if is_left_out else "")


def test_every_result_has_its_table_and_its_commit() -> None:
    results = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
    elsewhere = [results.pop("likelihood"), *results.pop("likelihood_course")["courses"].values()]
    page = (FOLDER.parent / "docs" / "likelihood.md").read_text("utf-8")
    for result in elsewhere:
        assert f"Commit {result['commit']}; {result['machine']}." in page
    assert results.keys() == tables.TABLES.keys()
    for name, result in results.items():
        assert f"Commit {result['commit']}; {result['machine']}" in tables.section(name, result)


def test_numbers_come_from_the_file(tmp_path: Path) -> None:
    for path in [*FOLDER.glob("*.json"), FOLDER / "README.md"]:
        shutil.copy(path, tmp_path)
    result = json.loads((tmp_path / "pipeline.json").read_text())
    result["stages"][2] = {
        "stage": "train",
        "seconds": 20.04,
        "imports": 5,
        "compute": 12.2,
        "tracking": 2.5,
        "writing": 0.3,
        "peak_bytes": 123_400_000,
    }
    (tmp_path / "pipeline.json").write_text(json.dumps(result))
    tables.write(tmp_path)
    assert "| train | 20.0 | 5.0 | 12.2 | 2.5 | 0.3 | 123 |" in (tmp_path / "README.md").read_text().splitlines()


def test_commit_is_dirty_by_other_changes_than_results_of_benchmarks(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()
    for name in ("code.py", "benchmarks/a.json", "benchmarks/README.md"):
        (tmp_path / name).write_text("before")
    identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")
    for command in (("init", "--quiet"), ("add", "."), (*identity, "commit", "--quiet", "--message", "all")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    commit = commit_of(tmp_path)
    for name in ("benchmarks/a.json", "benchmarks/README.md"):
        (tmp_path / name).write_text("after")
    assert commit_of(tmp_path) == commit
    (tmp_path / "code.py").write_text("after")
    assert commit_of(tmp_path) == f"{commit}-dirty"


def test_readme_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="throughput"):
        tables.filled_in("# Benchmarks", FOLDER)
