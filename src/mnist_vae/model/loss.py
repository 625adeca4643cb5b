"""The loss: a weighted sum of reconstruction error and KL.

Alemi et al. 2018, "Fixing a Broken ELBO", call them distortion and rate.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Terms(NamedTuple):
    """Loss, reconstruction error in the likelihood's unit, and KL in nats: per image, or means over images."""

    loss: Float[Tensor, "*B"]
    distortion: Float[Tensor, "*B"]
    rate: Float[Tensor, "*B"]


def _mean(values: Float[Tensor, "B D"]) -> Float[Tensor, " D"]:
    return values.mean(dim=0)


class Objective(NamedTuple):
    """loss = distortion_weight · distortion + rate_weight · rate, per image.

    The distortion is the reconstruction error, summed over pixels. The rate is the KL, summed over latent dimensions.
    If the batch mean of a dimension's KL is below free_nats, the loss charges free_nats for this dimension, so that its
    gradient does not pull it closer to the prior (the free bits of Kingma et al. 2016, equation 15). `batch_mean`
    computes this mean over the whole batch, even if the values (B, D) are only a shard of it.
    """

    distortion_weight: float
    rate_weight: float
    free_nats: float = 0.0
    batch_mean: Callable[[Tensor], Tensor] = _mean

    @property
    def beta(self) -> float:
        """The KL's weight divided by the reconstruction error's: the β of the beta-VAE (Higgins et al. 2017)."""
        return self.rate_weight / self.distortion_weight

    def terms(self, distortion: Float[Tensor, " B"], kl: Float[Tensor, "B D"], rate_share: float = 1.0) -> Terms:
        """The terms of each image, from the KL of each dimension in nats. `rate_share` scales the KL's weight."""
        rate = kl.sum(dim=1)
        charged = self._charged(kl).sum(dim=1) if self.free_nats else rate
        return Terms(self.distortion_weight * distortion + rate_share * self.rate_weight * charged, distortion, rate)

    def weighted_terms(
        self,
        distortion: Float[Tensor, "B K"],
        log_ratio: Float[Tensor, "B K"],
        kl: Float[Tensor, "B D"],
        rate_share: float = 1.0,
    ) -> Terms:
        """The terms of each image with the importance-weighted bound as the loss, from K codes of each.

        The loss is −log (1/K) Σ p(x|z) p(z) / q(z|x) (Burda et al. 2016, equation 8), of which log p(z) − log q(z|x),
        the log ratio, takes the share. Distortion and rate are means over the codes, and of the whole posterior.
        """
        log_weights = rate_share * log_ratio - self.distortion_weight * distortion
        bound = torch.logsumexp(log_weights, dim=1) - math.log(log_weights.shape[1])
        return Terms(-bound, distortion.mean(dim=1), kl.sum(dim=1))

    def _charged(self, kl: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        # The batch mean of this is max(free_nats, KL) for each dimension, with the right gradient.
        return torch.where(self.batch_mean(kl) > self.free_nats, kl, self.free_nats)


def make_objective(reduction: str, kl_weight: float, free_nats: float, pixels: int, latent_dim: int) -> Objective:
    """The objective for the reduction in params.yaml.

    "sum" sums both terms per image. "mean", as in the tutorial, divides the reconstruction error by the number of
    pixels and the KL by the number of latent dimensions, so its β is kl_weight · pixels / latent_dim.
    """
    if reduction == "sum":
        return Objective(1.0, kl_weight, free_nats)
    return Objective(1 / pixels, kl_weight / latent_dim, free_nats)
