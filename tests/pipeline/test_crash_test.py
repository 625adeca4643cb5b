"""tools/crash_test.py, small: the real pipeline, killed in training, evaluation and rendering."""

import json

import pytest

from crash_test import Point, Results, TrackedResult
from working_copy import WorkingCopy

RUN = TrackedResult("FINISHED", {"seed": "0"}, "f", {"train/loss": [Point(1, 0.5)]}, ["metrics.json"])
LEFT = Results({"a": b"1", "b": b"2"}, [RUN])
CRASH_TEST = ("python", "tools/crash_test.py")


def test_pipeline_killed_in_its_last_stages_ends_as_an_undisturbed_one(clone: WorkingCopy) -> None:
    printed = clone.succeed(*CRASH_TEST, "--kills", "3", "--seed", "1", "-S", "epochs=10")
    assert "crash test: 3 of 3 kills did not change the results" in printed
    assert clone.succeed("git", "status", "--porcelain") == ""  # the report, too, lies where Git ignores it
    report = json.loads((clone.folder / ".dvc" / "tmp" / "crash_test.json").read_text())
    assert (report["kills"], report["kills without a trace"], report["training steps"]) == (3, 3, 10 * 8)
    assert report["changed parameters"] == {"epochs": "10"}
    assert sum(report["kills by stage, or between it and the next"].values()) == 3
    assert report["files compared"] > 20


@pytest.mark.parametrize(
    ("other", "names"),
    [
        (LEFT, []),
        (LEFT._replace(files={"a": b"1", "b": b"3", "c": b""}), ["b", "c"]),
        (LEFT._replace(files={"a": b"1"}), ["b"]),
        (LEFT._replace(runs=[RUN, RUN]), ["MLflow"]),
        (LEFT._replace(runs=[RUN._replace(points={"train/loss": [Point(1, 0.5)] * 2})]), ["MLflow"]),
        (LEFT._replace(runs=[RUN._replace(status="RUNNING")]), ["MLflow"]),
    ],
)
def test_every_difference_is_named(other: Results, names: list[str]) -> None:
    assert other.differences(LEFT) == LEFT.differences(other) == names


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--kills", "0"], 2, "--kills must be at least 1"),
        (["--seed", "x"], 2, "invalid int value: 'x'"),
        (["-S", "epochs"], 2, "-S is 'epochs', but must be KEY=VALUE"),
        (["-S", "epoch=3"], 1, "crash_test: epoch is not a parameter"),
        (["-S", "dataset=nist"], 1, "dataset is 'nist', but must be"),
    ],
)
def test_wrong_argument_is_refused_in_one_line(
    clone: WorkingCopy, arguments: list[str], code: int, complaint: str
) -> None:
    ended = clone.run(*CRASH_TEST, *arguments)
    assert (ended.returncode, complaint in ended.stdout.splitlines()[-1]) == (code, True), ended.stdout
