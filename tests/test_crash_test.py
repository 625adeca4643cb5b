"""`make torture`, small: the real pipeline, killed in training, evaluation and rendering."""

import json
from pathlib import Path

import pytest

import torture
from leavings import Point, Results, TrackedResult
from mnist_vae.console.stage import UserError
from tiny_mnist import TinyServer
from working_copy import WorkingCopy

RUN = TrackedResult("FINISHED", {"seed": "0"}, "f", {"train/loss": [Point(1, 0.5)]}, ["metrics.json"])
LEFT = Results("lock", {"a": b"1", "b": b"2"}, [RUN])


def test_pipeline_killed_in_its_last_stages_ends_as_an_undisturbed_one(tmp_path: Path, tiny_server: TinyServer) -> None:
    copy = WorkingCopy(tmp_path / "clone", f"{tiny_server.address}/whole")
    copy.give_environment()
    printed = copy.succeed("make", "torture", "KILLS=3", "SEED=1", "REPORT=report.json", "CHANGES=epochs=30")
    assert "torture: 3 of 3 kills left no trace; seed 1; report.json" in printed
    report = json.loads((copy.folder / "report.json").read_text())
    assert (report["kills"], report["training steps"], report["outputs compared"]) == (3, 30 * 8, 10)
    assert all(one["differences"] == [] for one in report["rounds"])
    assert report["changed parameters"] == {"epochs": "30"}
    assert sum(report["kills by stage, or between it and the next"].values()) == 3


@pytest.mark.parametrize(
    ("other", "names"),
    [
        (LEFT, []),
        (LEFT._replace(lock="other"), ["dvc.lock"]),
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
    ("arguments", "complaint"),
    [
        ([], "needs KILLS SEED REPORT"),
        (["0", "0", "r.json"], "KILLS is '0', but must be a whole number of at least 1"),
        (["many", "0", "r.json"], "KILLS is 'many'"),
        (["1", "-1", "r.json"], "SEED is '-1', but must be a whole number"),
        (["1", "1", "r.json", "epochs"], "CHANGES holds 'epochs', but must be KEY=VALUE"),
        (["1", "1", "nowhere/r.json"], "REPORT is 'nowhere/r.json', but there is no folder nowhere"),
    ],
)
def test_wrong_wish_is_refused_in_one_line(arguments: list[str], complaint: str) -> None:
    with pytest.raises(UserError) as caught:
        torture.asked(arguments)
    assert str(caught.value).startswith(complaint)


def test_unknown_parameter_is_refused_by_name(tmp_path: Path, tiny_server: TinyServer) -> None:
    copy = WorkingCopy(tmp_path / "clone", f"{tiny_server.address}/whole")
    copy.give_environment()
    done = copy.run("make", "torture", "CHANGES=epoch=3")
    assert (done.returncode, "torture: epoch is no parameter" in done.stdout) == (2, True)
