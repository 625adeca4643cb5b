"""The learning rate and the weight of the KL during a training.

They depend only on the step and the epoch, so resuming does not need their history.
"""

import torch
from torch import Tensor


def initial_rate(learning_rate: float, device: torch.device) -> float | Tensor:
    """The rate for a new optimiser. On a GPU it is a tensor, so that a captured step reads its value at each replay."""
    return torch.tensor(learning_rate, device=device) if device.type == "cuda" else learning_rate


def scheduled_rate(learning_rate: float, schedule: str, share_done: float) -> float:
    """The rate of the next step. `share_done` is the share of all steps that is done, at least 0 and below 1."""
    return learning_rate * (1 - share_done) if schedule == "linear" else learning_rate


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the optimiser's rate for its next step."""
    (group,) = optimizer.param_groups
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def warmup_share(epoch: int, warmup_epochs: int) -> float:
    """The factor of the KL's weight in an epoch, counted from 1. It is 0 in the first, and 1 after warmup_epochs."""
    return min(1.0, (epoch - 1) / warmup_epochs) if warmup_epochs else 1.0
