"""What tells experiments apart: `dvc exp show` with its main metrics and the parameters that differ, for a terminal."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from mnist_vae.console.stage import UserError
from presets import ROOT
from text_table import GAP, aligned

METRICS = ("mse_per_pixel_minus1_to_1", "kl_nats_per_image", "elbo_nats_per_image", "active_latent_dimensions")
_ALWAYS = "kl_weight"
_WIDTH = 120  # where the output is no terminal
_HEADING = 14


class Row(NamedTuple):
    """The workspace, a commit or an experiment: its time (YYYY-MM-DD hh:mm), whether it waits, runs or failed, the
    numbers of metrics.json and the values of params.yaml.
    """

    experiment: str
    created: str
    state: str
    metrics: dict
    params: dict


class Column(NamedTuple):
    """A heading, which may be broken into lines after each `_`, and a text for each row."""

    name: str
    cells: list[str]

    def heading(self) -> list[str]:
        lines = [""]
        for part in self.name.replace("_", "_ ").split():
            if lines[-1] and len(lines[-1] + part) > _HEADING:
                lines.append("")
            lines[-1] += part
        return lines

    def width(self) -> int:
        return max(map(len, [*self.heading(), *self.cells]))


def find_rows(root: Path) -> Iterator[Row]:
    """The workspace, the commit that is checked out, and its experiments. Raises UserError if DVC fails."""
    done = subprocess.run(["dvc", "exp", "show", "--json"], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"dvc exp show failed: {' '.join(done.stderr.split()).removeprefix('ERROR: ')}")
    for baseline in json.loads(done.stdout):
        yield _row(baseline, baseline["name"] or baseline["rev"], "")
        for experiment in baseline["experiments"] or ():
            tip = experiment["revs"][0]
            state = (experiment["executor"] or {"state": ""})["state"]
            yield _row(tip, f"  {tip['name'] or tip['rev'][:7]}", state)


def _row(found: dict, experiment: str, state: str) -> Row:
    data = found["data"] or {}
    metrics = data.get("metrics", {}).get("reports/metrics.json", {}).get("data", {})
    params = data.get("params", {}).get("params.yaml", {}).get("data", {})
    created = (data.get("timestamp") or "").replace("T", " ")[: len("YYYY-MM-DD hh:mm")]
    return Row(experiment, created, "unreadable" if found["error"] else state, metrics, params)


def columns(rows: Sequence[Row]) -> list[Column]:
    """What is shown of the rows: a state only if one has it, kl_weight, and the parameters that differ."""
    found = [Column("experiment", [row.experiment for row in rows]), Column("created", [row.created for row in rows])]
    if any(row.state for row in rows):
        found.append(Column("state", [row.state for row in rows]))
    found += [Column(name, [_number(row.metrics.get(name)) for row in rows]) for name in METRICS]
    for name in dict.fromkeys([_ALWAYS, *(name for row in rows for name in row.params)]):
        values = [json.dumps(row.params[name]).strip('"') if name in row.params else "" for row in rows]
        if name == _ALWAYS or len(set(filter(None, values))) > 1:
            found.append(Column(name, values))
    return found


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def as_text(columns: Sequence[Column], width: int) -> str:
    """The table. What does not fit into the width comes below, each time with the first column before it."""
    first, *others = columns
    blocks = [[first]]
    for column in others:
        if len(blocks[-1]) > 1 and sum(one.width() + len(GAP) for one in blocks[-1]) + column.width() > width:
            blocks.append([first])
        blocks[-1].append(column)
    return "\n\n".join(map(_block, blocks))


def _block(columns: Sequence[Column]) -> str:
    # Upside down, so that the headings' last lines are next to the rows.
    headings = list(zip_longest(*(column.heading()[::-1] for column in columns), fillvalue=""))[::-1]
    lines = [*headings, *zip(*(column.cells for column in columns), strict=True)]
    return aligned(lines)


if __name__ == "__main__":
    try:
        print(as_text(columns(list(find_rows(ROOT))), shutil.get_terminal_size((_WIDTH, 1)).columns))
    except UserError as error:
        sys.exit(f"show: {error}")
