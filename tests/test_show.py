"""`make show`: the experiments in one table."""

import csv
import json
import re
from pathlib import Path

import pytest

import show
from show import Row
from working_copy import WorkingCopy

FIRST = ["experiment", "created"]
NUMBERS = [
    "mse_per_pixel_minus1_to_1",
    "kl_nats_per_image",
    "elbo_nats_per_image",
    "active_latent_dimensions",
]


def _shown(printed: str) -> dict[str, dict[str, str]]:
    """The cells of each row by their columns' names, as a reader puts the headings' lines together."""
    rows: dict[str, dict[str, str]] = {}
    for block in printed.rstrip("\n").split("\n\n"):
        lines = block.splitlines()
        height = next(number for number, line in enumerate(lines) if line.startswith("experiment")) + 1
        starts = [match.start() for match in re.finditer(r"\S+", lines[height - 1])]
        ends = [*starts[1:], None]
        cells = [[line[start:end].strip() for start, end in zip(starts, ends, strict=True)] for line in lines]
        names = ["".join(parts) for parts in zip(*cells[:height], strict=True)]
        for row in cells[height:]:
            rows.setdefault(row[0], {}).update(zip(names, row, strict=True))
    return rows


def _row(name: str, **params: object) -> Row:
    return Row(name, "", "", {}, {"kl_weight": 0.1} | params)


def test_columns_are_main_metrics_kl_weight_and_what_differs(with_experiment: WorkingCopy, tmp_path: Path) -> None:
    copy = with_experiment.copied_to(tmp_path / "clone")
    rows = _shown(copy.succeed("make", "show"))
    assert list(rows) == ["workspace", "main", "half"]
    assert [list(row) for row in rows.values()] == [[*FIRST, *NUMBERS, "kl_weight"]] * 3
    assert [row["kl_weight"] for row in rows.values()] == ["0.5", "0.1", "0.5"]
    copy.set_param("learning_rate", 0.01)
    changed = _shown(copy.succeed("make", "show"))
    assert list(changed["main"]) == [*FIRST, *NUMBERS, "kl_weight", "learning_rate"]
    assert [row["learning_rate"] for row in changed.values()] == ["0.01", "0.0001", "0.0001"]


def test_cells_are_those_that_dvc_shows(with_experiment: WorkingCopy) -> None:
    rows = _shown(with_experiment.succeed("python", "tools/show.py", PYTHONPATH="src"))
    printed = with_experiment.succeed("dvc", "exp", "show", "--csv")
    expected = {row["Experiment"] or row["rev"]: row for row in csv.DictReader(printed.splitlines())}
    assert list(rows) == list(expected)
    for name, row in rows.items():
        assert row["created"] == expected[name]["Created"].replace("T", " ")[:16]
        assert [float(row[number]) for number in NUMBERS] == [
            pytest.approx(float(expected[name][number]), rel=1e-4) for number in NUMBERS
        ]


def test_queued_experiment_and_unreadable_workspace_are_told(with_experiment: WorkingCopy, tmp_path: Path) -> None:
    copy = with_experiment.copied_to(tmp_path / "clone")
    copy.introduce()
    copy.succeed("dvc", "exp", "run", "--queue", "--name", "waits", "-S", "threads=2")
    (copy.folder / "params.yaml").write_text("kl_weight: [")
    rows = _shown(copy.succeed("python", "tools/show.py", PYTHONPATH="src"))
    assert {name: row["state"] for name, row in rows.items()} == {
        "workspace": "unreadable",
        "main": "",
        "half": "",
        "waits": "queued",
    }
    assert [row["threads"] for row in rows.values()] == ["", "1", "1", "2"]


def test_kl_weight_is_shown_also_where_it_is_the_same() -> None:
    names = [column.name for column in show.columns([_row("one", seed=0), _row("two", seed=0)])]
    assert names == [*FIRST, *NUMBERS, "kl_weight"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_table_fits_into_the_terminal_however_much_differs(width: int) -> None:
    one, two = ({f"parameter_with_a_name_{number}": [value] * 5 for number in range(12)} for value in (1, 2))
    columns = show.columns([_row("workspace", **one), _row("  an-experiment-of-some-length", **two)])
    printed = show.as_text(columns, width)
    assert max(map(len, printed.splitlines())) <= width
    rows = _shown(printed)
    assert list(rows["workspace"]) == [*FIRST, *NUMBERS, "kl_weight", *one]
    assert rows["an-experiment-of-some-length"]["parameter_with_a_name_11"] == json.dumps([2] * 5)


def test_table_is_one_block_of_120_columns_where_output_is_no_terminal(with_experiment: WorkingCopy) -> None:
    printed = with_experiment.succeed("python", "tools/show.py", PYTHONPATH="src")
    assert max(map(len, printed.splitlines())) <= 120
    assert "\n\n" not in printed  # nothing had to go below


def test_failure_of_dvc_ends_in_one_line(reproduced: WorkingCopy, tmp_path: Path) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    (copy.folder / ".dvc" / "config").write_text("[core")
    ended = copy.run("python", "tools/show.py", PYTHONPATH="src")
    assert ended.returncode == 1
    (line,) = ended.stdout.splitlines()
    assert line.startswith("show: dvc exp show failed: ")
