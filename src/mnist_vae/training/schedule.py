"""The learning rate and the weight of the KL over the course of a training: functions of the step and of the epoch.

So resuming needs none of their history.
"""

import torch
from torch import Tensor


def initial_rate(learning_rate: float, device: torch.device) -> float | Tensor:
    """The rate to make an optimiser with: on a GPU a tensor, so that a captured step reads its value when replayed."""
    return torch.tensor(learning_rate, device=device) if device.type == "cuda" else learning_rate


def scheduled_rate(learning_rate: float, schedule: str, share_done: float) -> float:
    """The rate of the next step, when that share of all steps is done, from 0 to below 1."""
    return learning_rate * (1 - share_done) if schedule == "linear" else learning_rate


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give the optimiser the rate of its next step."""
    (group,) = optimizer.param_groups
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def warmup_share(epoch: int, warmup_epochs: int) -> float:
    """The share of the KL's weight in an epoch, counted from 1: from 0 in the first to 1 after warmup_epochs."""
    return min(1.0, (epoch - 1) / warmup_epochs) if warmup_epochs else 1.0
