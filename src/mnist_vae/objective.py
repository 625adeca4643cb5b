"""The loss: a weighted sum of distortion and rate (Alemi et al. 2018, "Fixing a Broken ELBO")."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class Terms(NamedTuple):
    """Per image or as means over images: the loss, the distortion in the likelihood's unit, the rate in nats."""

    loss: Float[Tensor, "*B"]
    distortion: Float[Tensor, "*B"]
    rate: Float[Tensor, "*B"]


class Objective(NamedTuple):
    """loss = distortion_weight · distortion + rate_weight · rate, both terms per image, summed over its dimensions."""

    distortion_weight: float
    rate_weight: float

    @property
    def beta(self) -> float:
        """The rate's weight in units of the distortion's: the β of the beta-VAE (Higgins et al. 2017)."""
        return self.rate_weight / self.distortion_weight

    def terms(self, distortion: Float[Tensor, " B"], rate: Float[Tensor, " B"]) -> Terms:
        """The terms of each image."""
        return Terms(self.distortion_weight * distortion + self.rate_weight * rate, distortion, rate)


def make_objective(reduction: str, kl_weight: float, pixels: int, latent_dim: int) -> Objective:
    """The objective that params.yaml names.

    "sum" leaves both terms summed per image; "mean", the tutorial's, divides the distortion by the number of pixels and
    the rate by the number of latent dimensions, so that its β is kl_weight · pixels / latent_dim.
    """
    if reduction == "sum":
        return Objective(1.0, kl_weight)
    return Objective(1 / pixels, kl_weight / latent_dim)
