"""The README's tables of speed, from the files that the benchmarks wrote."""

import json
from pathlib import Path


def speed_table(root: Path) -> str:
    """The last measurement of benchmarks/throughput.py against others."""
    result = json.loads((root / "benchmarks" / "throughput.json").read_text())
    rows = [
        f"| {name} | {_range(row['images_per_second'], ',.0f')} |"
        f" {_range(row['speed_of_this_project_relative_to_it'], '.2f')} |"
        f" {_range(row['seconds_of_a_whole_training_at_that_rate'], ',.0f')} |"
        for name, row in result["rows"].items()
    ]
    setting = f"{result['repeats']} runs each in turn, median (range); {_machine(result)}"
    header = f"| {setting} | images/s | ours is faster by | a whole training, s |"
    return "\n".join([header, "|---|---:|---:|---:|", *rows])


def roofline_table(root: Path) -> str:
    """The last measurement of benchmarks/throughput.py against what the machine reaches."""
    roofline = json.loads((root / "benchmarks" / "throughput.json").read_text())["roofline"]
    rows = [f"| {name}, GFLOP/s | {_range(rate, '.0f')} |" for name, rate in roofline["GFLOP/s"].items()]
    operations = roofline["floating point operations per image"] / 1e6
    share = roofline["share of the matrix product's rate"]
    return "\n".join(
        [
            f"| an image takes {operations:.1f} MFLOP, forward and backward | |",
            "|---|---:|",
            *rows,
            f"| share of the matrix product's rate that training reaches | {_range(share, '.0%')} |",
        ]
    )


def step_table(root: Path) -> str:
    """The last profile of a step by benchmarks/step_profile.py."""
    result = json.loads((root / "benchmarks" / "step_profile.json").read_text())
    rows = [f"| {kind} | {part['milliseconds']:.1f} | {part['share']:.0%} |" for kind, part in result["parts"].items()]
    header = (
        f"| a step of {result['images_a_step']} images, mean of {result['steps']}; {_machine(result)} | ms | share |"
    )
    return "\n".join([header, "|---|---:|---:|", *rows, f"| **all** | **{result['milliseconds_a_step']:.1f}** | |"])


def pipeline_table(root: Path) -> str:
    """The last measurement of benchmarks/pipeline.py."""
    result = json.loads((root / "benchmarks" / "pipeline.json").read_text())
    parts = ("seconds", "import", "compute", "tracking", "writing", "peak MiB")
    stages = result["stages"]
    rows = [f"| {stage['stage']} | {' | '.join(_cell(stage[part], part) for part in parts)} |" for stage in stages]
    total, idle = result["seconds of dvc repro in a fresh clone"], result["seconds of dvc repro when nothing changed"]
    others = total - sum(stage["seconds"] for stage in stages)
    return "\n".join(
        [
            f"| {_machine(result)} | {' | '.join(parts)} |",
            f"|---|{'---:|' * len(parts)}",
            *rows,
            f"| DVC, and starting Python | {others:.1f} |{' |' * (len(parts) - 1)}",
            f"| **`dvc repro` in a fresh clone** | **{total:.1f}** |{' |' * (len(parts) - 1)}",
            f"| `dvc repro` when nothing changed | {min(idle):.1f} |{' |' * (len(parts) - 1)}",
        ]
    )


def tracking_table(root: Path) -> str:
    """The last measurement of benchmarks/tracking.py."""
    result = json.loads((root / "benchmarks" / "tracking.json").read_text())
    rows = [
        f"| {name} | {_range(added, '.1f')} | {result['median share of that'][name]:.1%} |"
        for name, added in result["seconds added"].items()
    ]
    rounds = len(next(iter(result["seconds of the stages that track"].values())))
    return "\n".join(
        [
            f"| {rounds} turns, median (range); {_machine(result)} | seconds more | of a default run |",
            "|---|---:|---:|",
            *rows,
        ]
    )


def _machine(result: dict) -> str:
    machine = result["machine"]
    return f"{machine['cores']} cores, {machine['device']}, {machine['vector_instructions']}, torch {machine['torch']}"


def _cell(value: float, part: str) -> str:
    return f"{value:,.0f}" if part == "peak MiB" else f"{value:.1f}"


def _range(spread: dict, form: str) -> str:
    return f"{spread['median']:{form}} ({spread['min']:{form}}–{spread['max']:{form}})"
