"""The README's tables of what the project withstands and what that costs, from the files that hold them."""

import json
from collections import Counter
from pathlib import Path

from failures import failures


def torture_table(root: Path) -> str:
    """The last report of `make torture` that is kept."""
    report = json.loads((root / "reports" / "torture.json").read_text())
    same = sum(one["kills"] for one in report["rounds"] if not one["differences"])
    rows = {
        "kills that left no trace": f"{same} of {report['kills']}",
        **{
            f"of these aimed at {name}": str(count)
            for name, count in report["kills by stage, or between it and the next"].items()
        },
        "trainings that went on from a checkpoint": str(report["trainings that went on from a checkpoint"]),
        "steps of the training": f"{report['training steps']:,}",
        "files compared, by their bytes": str(report["files compared"]),
        "points of the MLflow run compared": f"{report['MLflow points compared']:,}",
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join([f"| `make torture`, seed {report['seed']} | |", "|---|---:|", *lines])


def failures_table(_: Path) -> str:
    """How many rows of each kind the table of failures has."""
    counts = Counter(failure.kind for failure in failures())
    rows = [f"| {kind} | {count} |" for kind, count in counts.items()]
    return "\n".join(["| what fails | ways |", "|---|---:|", *rows, f"| **all** | **{sum(counts.values())}** |"])


def costs_table(root: Path) -> str:
    """The last measurement of benchmarks/reliability.py."""
    result = json.loads((root / "benchmarks" / "reliability.json").read_text())
    checkpoints, ratio = result["checkpoints"], result["deterministic algorithms"]["time relative to that without"]
    each, share, machine = (
        checkpoints["milliseconds of each"],
        checkpoints["share of the training's time"],
        result["machine"],
    )
    return "\n".join(
        [
            f"| {machine['device']}, {machine['vector_instructions']}, torch {machine['torch']} | |",
            "|---|---:|",
            f"| a checkpoint, median (longest) | {each['median']:.0f} ms ({each['max']:.0f} ms) |",
            f"| share of the training's time | {share:.2%} |",
            f"| training with deterministic algorithms, relative to that without | {_ratio(ratio)} |",
        ]
    )


def rounding_table(root: Path) -> str:
    """The last measurement of benchmarks/rounding.py."""
    result = json.loads((root / "benchmarks" / "rounding.json").read_text())
    rows = [
        f"| {name} | {row['largest of all']:.2%} | {row['largest of a class']:.2%} |" for name, row in result.items()
    ]
    header = "| what is changed | largest change of a mean over the test set | of a mean over a class |"
    return "\n".join([header, "|---|---:|---:|", *rows])


def _ratio(ratio: dict) -> str:
    return f"{ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f})"
