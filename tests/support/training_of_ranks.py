"""Functions that tests call in each rank, or in one process."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from builders import tiny_images, tiny_model, tiny_params
from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochHistory
from mnist_vae.model.loss import Terms
from mnist_vae.training.distributed import GlobalBatchNorm2d, Ranks, all_reduce
from mnist_vae.training.loop import TrainingImages, fit
from mnist_vae.training.state import Training, TrainingState, pack, unpack

VALIDATION = tiny_images(7, seed=1)


class Trained(NamedTuple):
    """The images that this process had in each step, the last gradients, the weights and buffers, and the history."""

    batches: list[list[int]]
    gradients: list[np.ndarray]
    weights: dict[str, np.ndarray]
    histories: list[EpochHistory]


class Keeper:
    """A callback that keeps the state after the step `after`."""

    def __init__(self, after: int):
        self._after = after
        self.kept: TrainingState | None = None

    def on_step(self, training: Training) -> None:
        if training.steps_done == self._after:
            self.kept = unpack(pack(training.state()))

    def on_epoch_end(self, training: Training) -> None:
        pass


def train(ranks: Ranks, images: int, changes: dict, resume_after: int = 0) -> Trained:
    """Train on that many images. The first pixel of each image is its number.

    With `resume_after`, train first to get the state after that step, and then resume a new model from it.
    """
    params = tiny_params(**changes).of_model()
    numbered = tiny_images(images)
    numbered[:, 0, 0, 0] = torch.arange(images)
    model, keeper, resume = tiny_model(**changes), Keeper(resume_after), None
    if resume_after:
        fit(tiny_model(**changes), TrainingImages(numbered, VALIDATION), params, None, [keeper], ranks)
        resume = keeper.kept if ranks.is_main else None  # only the main process has the checkpoint
    batches, terms = [], model.terms

    def spy(images: Tensor, noise: Tensor | None, kl_factor: float = 1.0) -> Terms:
        if noise is not None:
            batches.append(images[:, 0, 0, 0].tolist())
        return terms(images, noise, kl_factor)

    model.terms = spy
    histories = fit(model, TrainingImages(numbered, VALIDATION), params, resume, ranks=ranks)
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    gradients = [weight.grad.numpy() for weight in model.parameters() if weight.grad is not None]
    return Trained(batches, gradients, weights, [history._replace(images_per_second=0) for history in histories])


def normalise(ranks: Ranks, count: int) -> dict[str, np.ndarray]:
    """A batch norm's output for this rank's shard of a batch of one-pixel images, and the gradient of its input."""
    pixels = torch.randn(count, 3, 1, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    norm = GlobalBatchNorm2d(3).double()
    mine = ranks.shard(pixels).clone().requires_grad_()
    output = norm(mine)
    all_reduce((output**3).sum()).backward()
    assert mine.grad is not None
    found = {"output": output, "gradient": mine.grad, **norm.state_dict()}
    return {name: tensor.detach().numpy() for name, tensor in found.items()}


def broadcast(ranks: Ranks, contents: list[bytes]) -> list[bytes]:
    return [ranks.broadcast(content if ranks.is_main else b"other") for content in contents]


def disagree(ranks: Ranks) -> str | None:
    try:
        ranks.require_same("red")
        ranks.require_same(f"fingerprint of {ranks.rank}")
    except UserError as error:
        return str(error)
    return None
