"""Adam's step size over the course of a training: a function of the step, so going on needs none of its history."""

import torch
from torch import Tensor

from mnist_vae.common.params import ModelParams


def initial_rate(params: ModelParams, device: torch.device) -> float | Tensor:
    """The rate to make an optimiser with: on a GPU a tensor, so that a recorded step reads what it is when replayed."""
    return torch.tensor(params.learning_rate, device=device) if device.type == "cuda" else params.learning_rate


def set_rate(optimizer: torch.optim.Optimizer, params: ModelParams, share_done: float) -> None:
    """Give the optimiser the rate of its next step, when it has done that share of all its steps, from 0 to below 1."""
    falls = params.learning_rate_schedule == "linear"
    rate = params.learning_rate * (1 - share_done) if falls else params.learning_rate
    (group,) = optimizer.param_groups
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate
