"""The history files in CSV: the loss of each step, and the mean loss terms of each epoch."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mnist_vae.common.atomic import write_atomically
from mnist_vae.console.stage import UserError


class EpochRow(NamedTuple):
    """A row of epochs.csv: means over images.

    Training values are measured during the epoch, with sampled codes, while the weights change. Validation values are
    measured after the epoch, at the mean codes.
    """

    epoch: int
    train_loss: float
    train_reconstruction_error_per_image: float
    train_kl_nats_per_image: float
    validation_loss: float
    validation_reconstruction_error_per_image: float
    validation_kl_nats_per_image: float


class StepRow(NamedTuple):
    """A row of steps.csv: a step, counted from 1 over all epochs, and its loss."""

    epoch: int
    step: int
    loss: float


class EpochHistory(NamedTuple):
    """An epoch's row, the rows of its steps, and the speed, which varies and is therefore in no history file."""

    epoch: EpochRow
    steps: list[StepRow]
    images_per_second: float


def save_history(histories: Sequence[EpochHistory], epochs_path: Path, steps_path: Path) -> None:
    """Write the rows of the epochs to one file and the rows of all steps to the other, each below a header."""
    _write_rows([history.epoch for history in histories], EpochRow._fields, epochs_path)
    _write_rows([step for history in histories for step in history.steps], StepRow._fields, steps_path)


def _write_rows(rows: Iterable[EpochRow] | Iterable[StepRow], header: tuple[str, ...], path: Path) -> None:
    """Write rows below a header. Nine digits are enough to distinguish any two float32 numbers."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([f"{value:.9g}" if isinstance(value, float) else value for value in row] for row in rows)
    write_atomically(text.getvalue().encode(), path)


def read_epochs(path: Path, count: int) -> list[EpochRow]:
    """The rows of epochs.csv. Raises UserError unless the file has exactly `count` epochs, numbered from 1."""
    with _readable(path):
        rows = [EpochRow(int(epoch), *map(float, terms)) for epoch, *terms in _lines(path, EpochRow._fields)]
    _require_all(path, [row.epoch for row in rows], count)
    return rows


def read_steps(path: Path, count: int) -> list[StepRow]:
    """The rows of steps.csv. Raises UserError unless the file has exactly `count` steps, numbered from 1."""
    with _readable(path):
        rows = [StepRow(int(epoch), int(step), float(loss)) for epoch, step, loss in _lines(path, StepRow._fields)]
    _require_all(path, [row.step for row in rows], count)
    return rows


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, csv.Error) as error:  # ValueError: an empty file, or text in place of a number
        raise UserError(f"{path} cannot be read ({error}): run `dvc repro train`") from None


def _require_all(path: Path, numbers: list[int], count: int) -> None:
    if numbers != list(range(1, count + 1)):
        raise UserError(f"{path} does not contain the whole training: run `dvc repro train --force`")


def _lines(path: Path, header: tuple[str, ...]) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        found, *lines = csv.reader(file, strict=True)
    if tuple(found) != header or any(len(line) != len(header) for line in lines):
        raise UserError(f"{path} is not a history with the columns {', '.join(header)}: run `dvc repro train --force`")
    return lines
