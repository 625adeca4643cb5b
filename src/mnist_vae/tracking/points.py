"""The numbers of files as points of a run's metrics."""

import json
from collections.abc import Iterable
from pathlib import Path

from mnist_vae.data.history import EpochRow, StepRow
from mnist_vae.tracking.entries import Point


def course_points(epochs: Iterable[EpochRow], steps: Iterable[StepRow], at: int) -> list[Point]:
    """The points of a training's course: the terms of each epoch by epoch, the loss of each step by step."""
    points = [
        Point(name=name.replace("_", "/", 1), value=value, step=row.epoch, at=at)
        for row in epochs
        for name, value in row._asdict().items()
        if name != "epoch"
    ]
    return points + [Point(name="train/step_loss", value=row.loss, step=row.step, at=at) for row in steps]


def metric_points(metrics: Path, at: int) -> list[Point]:
    """The numbers of metrics.json, as test/NAME, or test/NAME/CLASS."""
    points = []
    for name, value in json.loads(metrics.read_text()).items():
        table = {f"/{key}": number for key, number in value.items()} if isinstance(value, dict) else {"": value}
        points += [Point(name=f"test/{name}{suffix}", value=number, step=0, at=at) for suffix, number in table.items()]
    return points
