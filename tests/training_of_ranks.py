"""What tests let each rank do, and the same in one process."""

from contextlib import suppress
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from builders import tiny_images, tiny_model, tiny_params
from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochHistory
from mnist_vae.evaluation.metrics import encode_means, evaluate
from mnist_vae.model.loss import Terms
from mnist_vae.training.collectives import sum_over_ranks
from mnist_vae.training.global_batch_norm import GlobalBatchNorm2d
from mnist_vae.training.loop import Training
from mnist_vae.training.ranks import OneProcess, Ranks

VALIDATION = tiny_images(7, seed=1)


class Trained(NamedTuple):
    """Of each step the images that this process had; the last gradients, the weights and buffers, the history."""

    batches: list[list[int]]
    gradients: list[np.ndarray]
    weights: dict[str, np.ndarray]
    histories: list[EpochHistory]


def train(ranks: OneProcess | Ranks, images: int, changes: dict, broken_off: int = 0) -> Trained:
    """Train on that many images, each with its number in its first pixel; broken off and gone on after some steps."""
    params = tiny_params(**changes).of_model()
    numbered = tiny_images(images)
    numbered[:, 0, 0, 0] = torch.arange(images)
    model = tiny_model(**changes)
    batches, terms = [], model.terms

    def spy(images: Tensor, noise: Tensor | None, rate_share: float = 1.0) -> Terms:
        if noise is not None:
            batches.append(images[:, 0, 0, 0].tolist())
        return terms(images, noise, rate_share)

    model.terms = spy
    training = Training(model, numbered, VALIDATION, params, ranks)
    if broken_off:
        training = _gone_on(training, broken_off, changes, numbered, ranks)
    histories = list(training.run())
    weights = {name: tensor.numpy() for name, tensor in training.model.state_dict().items()}
    gradients = [weight.grad.numpy() for weight in training.model.parameters() if weight.grad is not None]
    return Trained(batches, gradients, weights, histories)


def measure(ranks: OneProcess | Ranks, images: int, changes: dict) -> list[np.ndarray]:
    """All that evaluation computes, in batches of three images."""
    import mnist_vae.evaluation.metrics

    mnist_vae.evaluation.metrics._BATCH = 3
    model = tiny_model(**changes)
    found = evaluate(model, tiny_images(images), 0, ranks)
    return [*found.measures, found.mean, found.kl, encode_means(model, tiny_images(images, seed=2), ranks)]


def normalise(ranks: Ranks, count: int) -> dict[str, np.ndarray]:
    """A batch norm's output for this rank's part of a batch of one-pixel images, and the input's gradient."""
    pixels = torch.randn(count, 3, 1, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    norm = GlobalBatchNorm2d(3).double()
    mine = ranks.shard(pixels).clone().requires_grad_()
    output = norm(mine)
    sum_over_ranks((output**3).sum()).backward()
    assert mine.grad is not None
    found = {"output": output, "gradient": mine.grad, **norm.state_dict()}
    return {name: tensor.detach().numpy() for name, tensor in found.items()}


def disagree(ranks: Ranks) -> str | None:
    try:
        ranks.require_same("a colour", "red")
        ranks.require_same("prepared data", f"md5 of {ranks.rank}")
    except UserError as error:
        return str(error)
    return None


class _BrokenOffError(Exception):
    pass


def _gone_on(training: Training, steps: int, changes: dict, images: Tensor, ranks: OneProcess | Ranks) -> Training:
    def stop(training: Training) -> None:
        if (training.epoch - 1) * 3 + len(training.terms) == steps:
            raise _BrokenOffError

    with suppress(_BrokenOffError):
        list(training.run(stop))
    state = training.state()
    # Only the first rank has the state; the others' is that of the beginning.
    again = Training(tiny_model(**changes), images, VALIDATION, training.params, ranks)
    if ranks.rank == 0:
        again.restore(state)
    again.begin_together()
    return again
