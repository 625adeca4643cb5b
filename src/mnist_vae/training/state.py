"""A training in progress, and the state that is needed to resume it."""

from collections.abc import Sequence
from itertools import accumulate, islice
from typing import NamedTuple

import torch
from jaxtyping import Float
from safetensors.torch import load, save
from torch import Tensor

from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochHistory, EpochRow, StepRow
from mnist_vae.model.autoencoder import Autoencoder
from mnist_vae.training.adam import Adam

_MODEL, _ADAM = "model/", "adam/"
_STEPS_BETWEEN_CHECKS = 100  # not on the CPU: on other devices each check waits for the device


class TrainingState(NamedTuple):
    """What is needed to resume to the same bits: the epoch in progress, counted from 1, the mean terms of its steps so
    far, the history of the former epochs, and the tensors of the model and of Adam.
    """

    epoch: int
    terms: Float[Tensor, "steps 3"]
    histories: list[EpochHistory]
    model: dict[str, Tensor]
    adam: dict[str, Tensor]


class Training:
    """A training in progress: its model and optimiser, the epoch in progress, counted from 1, and its steps so far."""

    def __init__(self, model: Autoencoder, optimizer: Adam, steps_of_epochs: Sequence[int]):
        self.model, self.optimizer = model, optimizer
        self.epoch, self.step, self._checked = 1, 0, 0
        self._ends = [0, *accumulate(steps_of_epochs)]  # the steps of the training up to the end of each epoch
        self.histories: list[EpochHistory] = []
        self.is_on_cpu = model.device.type == "cpu"
        # They stay on the device, so that no step waits for it.
        self._terms = torch.empty(max(steps_of_epochs), 3, device=model.device)

    @property
    def terms(self) -> Float[Tensor, "steps 3"]:
        """The mean loss, reconstruction error and KL of each step of the epoch so far, on the device.

        Reading the values waits for the device, so a callback should do it seldom.
        """
        return self._terms[: self.step]

    @property
    def all_steps(self) -> int:
        """The steps of the whole training."""
        return self._ends[-1]

    @property
    def steps_done(self) -> int:
        """The steps of all epochs so far."""
        return self._ends[self.epoch - 1] + self.step

    def end_step(self, terms: Float[Tensor, "3"]) -> None:
        """Record the mean terms of a finished step. Raises UserError if they are not finite.

        On the CPU this is checked at each step, on other devices seldom.
        """
        self._terms[self.step] = terms
        self.step += 1
        is_last = self.steps_done == self._ends[self.epoch]
        if self.is_on_cpu or self.step % _STEPS_BETWEEN_CHECKS == 0 or is_last:
            finite = self.terms[self._checked :].isfinite().all(dim=1)
            if not finite.all():
                number = self.steps_done - self.step + self._checked + 1 + int((~finite).nonzero()[0])
                raise UserError(f"the loss was not finite in epoch {self.epoch}, step {number}: lower learning_rate")
            self._checked = self.step

    def end_epoch(self, history: EpochHistory | None) -> None:
        """End the epoch in progress. Raises UserError if a tensor of the model is not finite."""
        for name, tensor in self.model.state_dict().items():
            if not tensor.isfinite().all():
                raise UserError(f"{name} was not finite after epoch {self.epoch}: lower learning_rate")
        self.histories += [history] if history else []
        self.epoch, self.step, self._checked = self.epoch + 1, 0, 0

    def state(self) -> TrainingState:
        """The state that is needed to resume. Its tensors are not copies: they change with the training."""
        return TrainingState(self.epoch, self.terms, self.histories, self.model.state_dict(), self.optimizer.state())

    def restore(self, state: TrainingState) -> None:
        """Resume from the state of a training of the same model, data and parameters."""
        self.model.load_state_dict(state.model)
        self.optimizer.restore(state.adam)
        self.epoch, self.step, self.histories = state.epoch, len(state.terms), list(state.histories)
        self._checked = self.step
        self.terms.copy_(state.terms)


def pack(state: TrainingState) -> bytes:
    """The state as bytes in the safetensors format."""
    histories = state.histories
    tensors = {
        "epoch": torch.tensor(state.epoch),
        "terms": state.terms,
        "epochs": torch.tensor([history.epoch[1:] for history in histories], dtype=torch.float64),
        "steps": torch.tensor([len(history.steps) for history in histories], dtype=torch.int64),
        "losses": torch.tensor([step.loss for history in histories for step in history.steps], dtype=torch.float64),
        "images_per_second": torch.tensor([history.images_per_second for history in histories], dtype=torch.float64),
        **{_MODEL + name: value for name, value in state.model.items()},
        **{_ADAM + name: value for name, value in state.adam.items()},
    }
    return save({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()})


def unpack(content: bytes) -> TrainingState:
    """The state in bytes from `pack`, on the CPU."""
    tensors = load(content)
    histories = []
    losses = enumerate(tensors["losses"].tolist(), start=1)
    rows = zip(tensors["epochs"], tensors["steps"].tolist(), tensors["images_per_second"].tolist(), strict=True)
    for number, (row, count, speed) in enumerate(rows, start=1):
        steps = [StepRow(number, step, loss) for step, loss in islice(losses, count)]
        histories.append(EpochHistory(EpochRow(number, *row.tolist()), steps, speed))
    model, adam = (
        {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        for prefix in (_MODEL, _ADAM)
    )
    return TrainingState(int(tensors["epoch"]), tensors["terms"], histories, model, adam)
