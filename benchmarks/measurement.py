"""What every file of measurements holds: on which machine, and how far they are spread."""

import os
import statistics
from collections.abc import Sequence

import torch

from mnist_vae.data.environment import find_environment


def spread(values: Sequence[float]) -> dict[str, float]:
    """The median of some measurements, the least and the greatest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def machine(device: torch.device) -> dict:
    """The machine, when it is prepared to compute on the device."""
    return find_environment(device)._asdict() | {"cores": os.cpu_count()}
