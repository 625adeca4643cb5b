"""A training in progress on disk, from which it goes on after it was broken off."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mnist_vae.common.atomic import write_whole
from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochHistory, EpochRow, StepRow
from mnist_vae.training.state import TrainingState, named_tensors, state_from

_ENTRY = "mnist_vae"
_SECONDS = "MNIST_VAE_CHECKPOINT_SECONDS"  # between two checkpoints within an epoch


class TrainingRecord(NamedTuple):
    """A training's state, the history of the epochs before, and the images per second of each of these."""

    state: TrainingState
    histories: list[EpochHistory]
    images_per_second: list[float]


class Checkpoint:
    """The checkpoint file of the training with a fingerprint; within its block nobody else runs that training.

    It lies in the original repository, also for a queued experiment, whose own folder is deleted after it.
    """

    def __init__(self, folder: Path, fingerprint: str):
        self._path, self._fingerprint = folder / f"{fingerprint}.safetensors", fingerprint
        self._lock = FileLock(folder / f"{fingerprint}.lock")
        self._seconds = _seconds_between()
        self._last_saved = time.monotonic()

    def __enter__(self) -> "Checkpoint":  # noqa: PYI034 (beartype knows no Self here)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UserError("the same training is running already, here or in the queue: wait for it") from None
        except OSError as error:
            raise UserError(
                f"checkpoints cannot be kept in {self._path.parent} ({error.strerror}): mend that and start again"
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    @property
    def is_due(self) -> bool:
        """Whether the last one is older than the time between two within an epoch."""
        return time.monotonic() - self._last_saved >= self._seconds

    def save(self, record: TrainingRecord) -> None:
        """Put the record into the file. Raises UserError if it cannot be written; the former one is still there."""
        write_whole(save(_tensors(record), {_ENTRY: self._description()}), self._path)
        self._last_saved = time.monotonic()

    def load(self, restore: Callable[[TrainingState], None]) -> TrainingRecord | None:
        """What was saved last, if anything, once `restore` has taken its state.

        A file that is torn or foreign, or whose state `restore` refuses by a ValueError, is set aside, with a line.
        """
        try:
            with safe_open(self._path, "pt") as file:
                description = json.loads((file.metadata() or {})[_ENTRY])
                if description["fingerprint"] != self._fingerprint:
                    raise ValueError("it is of another training")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
            record = _record(tensors)
            restore(record.state)
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, ValueError, LookupError, TypeError) as error:
            aside = self._path.with_suffix(".unusable")
            self._path.replace(aside)
            print(f"train: starts afresh: its checkpoint cannot be used ({error}); it is now {aside}", flush=True)
            return None
        return record

    def remove(self) -> None:
        """Forget the training, once its results are written."""
        self._path.unlink(missing_ok=True)

    def _description(self) -> str:
        return json.dumps({"fingerprint": self._fingerprint})


def _seconds_between() -> float:
    text = os.environ.get(_SECONDS, "30")
    try:
        return float(text)
    except ValueError:
        raise UserError(f"{_SECONDS} is {text!r}, but must be a number of seconds") from None


def _tensors(record: TrainingRecord) -> dict[str, Tensor]:
    state, histories, rates = record
    tensors = {
        **named_tensors(state),
        "epochs": torch.tensor([history.epoch[1:] for history in histories], dtype=torch.float64),
        "losses": torch.tensor([[step.loss for step in history.steps] for history in histories], dtype=torch.float64),
        "images_per_second": torch.tensor(rates, dtype=torch.float64),
    }
    return {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}


def _record(tensors: dict[str, Tensor]) -> TrainingRecord:
    histories = []
    for number, (row, losses) in enumerate(zip(tensors["epochs"], tensors["losses"], strict=True), start=1):
        first = (number - 1) * len(losses) + 1
        steps = [StepRow(number, step, loss) for step, loss in enumerate(losses.tolist(), start=first)]
        histories.append(EpochHistory(EpochRow(number, *row.tolist()), steps))
    return TrainingRecord(state_from(tensors), histories, tensors["images_per_second"].tolist())
