"""Interpolation between two latent codes."""

import torch
from jaxtyping import Float
from torch import Tensor

_SMALLEST_SINE = 1e-4  # for smaller sines, the arc is straight within float32, or its plane is not defined


def lerp(ends: Float[Tensor, "2 D"], steps: int) -> Float[Tensor, "{steps} D"]:
    """Linear interpolation: the straight line between two codes, both included, in equal steps."""
    weight = torch.linspace(0, 1, steps)[:, None]
    return (1 - weight) * ends[0] + weight * ends[1]


def slerp(ends: Float[Tensor, "2 D"], steps: int) -> Float[Tensor, "{steps} D"] | None:
    """Spherical interpolation: the arc between two codes around the origin, in equal angles.

    In many dimensions, codes drawn from the prior are close to a sphere, and a straight line between two of them
    passes through its inside. Returns None if no unique arc joins the codes: if one is 0, or they point in opposite
    directions. References: Shoemake 1985; White 2016 for latent codes.
    """
    ends = ends.double()  # near 180 degrees, the error of arccos in float32 is larger than _SMALLEST_SINE
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
