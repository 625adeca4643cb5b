"""Run every combination of some values as a queued DVC experiment, and show what each reaches on the validation images.

Stopped and started again, it goes on: finished experiments stay.
"""

import json
import re
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import yaml

from dvc_queue import hold_queue, parse_count, run_missing
from experiments import last_epoch
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import UserError
from presets import ROOT, Preset, find_result, make_preset
from text_table import aligned

_SHOWN = ("validation_distortion_per_image", "validation_kl_nats_per_image")


class Axis(NamedTuple):
    """A parameter and the values that it takes in turn."""

    key: str
    values: list


def parse_sweep(text: str) -> list[Axis]:
    """The axes in a text such as `kl_weight=0.1,1 mlp_widths=[512],[512,256]`; the values are YAML.

    Raises UserError with what is wrong in it.
    """
    axes = [_axis(part) for part in re.split(r"\s+(?=\w+=)", text.strip())]
    keys = [axis.key for axis in axes]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise UserError(f"SWEEP names {twice[0]} twice: give all its values in one place")
    return axes


def _axis(part: str) -> Axis:
    key, _, values = part.partition("=")
    try:
        found = yaml.safe_load(f"[{values}]")
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: what looks like a date but is none
        found = None
    if not key.strip() or not isinstance(found, list) or not found:
        raise UserError(f"SWEEP has {part!r}, but needs KEY=VALUE,VALUE,... such as kl_weight=0.1,1 latent_dim=16,128")
    if twice := [value for value in found if found.count(value) > 1]:
        raise UserError(f"SWEEP has {key} = {twice[0]} twice")
    return Axis(key, found)


def grid(axes: Sequence[Axis], root: Path) -> list[Preset]:
    """Every combination of the values, as a preset whose name says them. Raises UserError if one is not valid."""
    base = load_params(root / "params.yaml").model_dump()
    points = [
        dict(zip([axis.key for axis in axes], values, strict=True))
        for values in product(*(axis.values for axis in axes))
    ]
    return [make_preset(_name(changes), changes, base, "SWEEP") for changes in points]


def _name(changes: dict) -> str:
    # Git and DVC take these characters in names.
    words = [part for key, value in changes.items() for part in (key, json.dumps(value, default=str))]
    return "-".join(["sweep", *(re.sub(r"[^\w.]+", "-", word).strip("-.") for word in words)])


def rows(points: Sequence[Preset], root: Path) -> list[tuple[str, ...]]:
    """A heading, and for each finished experiment its name, its values, and its last epoch on the validation images."""
    found = [result for point in points if (result := find_result(point, root))]
    lines: list[tuple[str, ...]] = [("experiment", *points[0].changes, *_SHOWN)]
    for preset, commit, _ in found:
        reached = last_epoch(root, commit)
        numbers = [f"{getattr(reached, name):.4g}" for name in _SHOWN]
        lines.append((preset.name, *(json.dumps(value) for value in preset.changes.values()), *numbers))
    return lines


def main(sweep: str, jobs: str, root: Path) -> None:
    count = parse_count("JOBS", jobs)
    with hold_queue(root):
        points = grid(parse_sweep(sweep), root)
        run_missing(points, count, "sweep", root)
        print(aligned(rows(points, root)))


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], ROOT)
    except UserError as error:
        sys.exit(f"sweep: {error}")
