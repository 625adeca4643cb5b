"""Interpolation between two codes."""

import torch
from jaxtyping import Float
from torch import Tensor

_SMALLEST_SINE = 1e-4  # below it the arc is straight within float32, or its plane undefined


def lerp(ends: Float[Tensor, "2 D"], steps: int) -> Float[Tensor, "{steps} D"]:
    """Linear interpolation: the straight line between two codes, both included, in equal steps."""
    weight = torch.linspace(0, 1, steps)[:, None]
    return (1 - weight) * ends[0] + weight * ends[1]


def slerp(ends: Float[Tensor, "2 D"], steps: int) -> Float[Tensor, "{steps} D"] | None:
    """Spherical interpolation: the arc between two codes around the origin, in equal angles (Shoemake 1985; White 2016
    for latent codes).

    Codes of many dimensions drawn from the prior lie near a sphere, whose inside the straight line crosses. None where
    no single arc leads from one to the other: if a code is 0, or they lie in opposite directions.
    """
    ends = ends.double()  # float32's arccos is off by more than that near 180 degrees
    directions = ends / ends.norm(dim=1, keepdim=True)
    cosine = (directions[0] * directions[1]).sum().clamp(-1, 1)
    angle = torch.arccos(cosine)
    if not directions.isfinite().all() or (cosine < 0 and angle.sin() < _SMALLEST_SINE):
        return None
    if angle.sin() < _SMALLEST_SINE:
        return lerp(ends.float(), steps)
    share = torch.linspace(0, 1, steps, dtype=ends.dtype)[:, None]
    arc = torch.sin((1 - share) * angle) * ends[0] + torch.sin(share * angle) * ends[1]
    return (arc / torch.sin(angle)).float()
