"""The README's table of how time and memory grow, from the file that holds them."""

import json
from pathlib import Path

_MEGABYTE = 1e6


def growth_table(root: Path) -> str:
    """The last measurement of benchmarks/growth.py and its figure; before there is one, how to make it."""
    path = root / "benchmarks" / "growth.json"
    if not path.exists():
        return "`make growth` measures it, and `make readme` then puts the table and the figure here."
    result = json.loads(path.read_text())
    growth, machine = result["against the number of images"], result["machine"]
    header = f"| {machine['device']}, torch {machine['torch']}, {result['epochs']} epoch | {' | '.join(growth)} |"
    rows = [_row(_named(point), [_cost(cost) for cost in point["stages"].values()]) for point in result["points"]]
    slopes = ["none" if one["slope"] is None else f"{one['slope']:.2f}" for one in growth.values()]
    per_image = [f"{one['microseconds_per_image']:.0f} µs" for one in growth.values()]
    memory = [f"{one['bytes_per_byte_of_data_and_codes']:.2f}" for one in growth.values()]
    return "\n".join(
        [
            "![Time and memory of each stage](benchmarks/growth.png)",
            "",
            header,
            f"|---|{'---:|' * len(growth)}",
            *rows,
            _row("time: log–log slope against images, beyond the first row", slopes),
            _row("time for each more image", per_image),
            _row("memory for each more byte of uint8 data (with codes: of evaluate, render)", memory),
        ]
    )


def _row(name: str, cells: list[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def _named(point: dict) -> str:
    return (
        f"{point['name']}: {point['train_size']:,} + {point['test_size']:,} images"
        if not point["params"]
        else (f"×1, {point['name']}")
    )


def _cost(cost: dict) -> str:
    peak, own = cost["peak_bytes"] / _MEGABYTE, cost["own_peak_bytes"] / _MEGABYTE
    return f"{cost['seconds']:.1f} s, {peak:,.0f} ({own:,.0f}) MB"
