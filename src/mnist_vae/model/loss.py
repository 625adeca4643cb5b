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
    reconstruction_error: Float[Tensor, "*B"]
    kl: Float[Tensor, "*B"]


def _mean(values: Float[Tensor, "B D"]) -> Float[Tensor, " D"]:
    return values.mean(dim=0)


class Objective(NamedTuple):
    """loss = reconstruction_weight · reconstruction error + kl_weight · KL, per image.

    The reconstruction error is summed over pixels, and the KL over latent dimensions.
    If the batch mean of a dimension's KL is below free_nats, the loss charges free_nats for this dimension, so that its
    gradient does not pull it closer to the prior (the free bits of Kingma et al. 2016, equation 15). `batch_mean`
    computes this mean over the whole batch, even if the values (B, D) are only a shard of it.
    """

    reconstruction_weight: float
    kl_weight: float
    free_nats: float = 0.0
    batch_mean: Callable[[Tensor], Tensor] = _mean

    @property
    def beta(self) -> float:
        """The KL's weight divided by the reconstruction error's: the β of the beta-VAE (Higgins et al. 2017)."""
        return self.kl_weight / self.reconstruction_weight

    def terms(
        self, reconstruction_error: Float[Tensor, " B"], kl: Float[Tensor, "B D"], kl_factor: float = 1.0
    ) -> Terms:
        """The terms of each image, from the KL of each dimension in nats. `kl_factor` scales the KL's weight."""
        kl_sum = kl.sum(dim=1)
        charged = self._charged(kl).sum(dim=1) if self.free_nats else kl_sum
        return Terms(
            self.reconstruction_weight * reconstruction_error + kl_factor * self.kl_weight * charged,
            reconstruction_error,
            kl_sum,
        )

    def weighted_terms(
        self,
        codes: Float[Tensor, "B K D"],
        reconstruction_error: Float[Tensor, "B K"],
        log_ratio: Float[Tensor, "B K"],
        kl: Float[Tensor, "B D"],
        kl_factor: float = 1.0,
    ) -> Terms:
        """The terms of each image with the importance-weighted bound as the loss, from K codes of each image.

        The loss is −log (1/K) Σ p(x|z) p(z) / q(z|x) (Burda et al. 2016, equation 8). `kl_factor` scales the log ratio,
        log p(z) − log q(z|x). The reconstruction error is the mean over the codes. The KL is that of the posterior.

        The encoder gets the doubly reparameterized gradient (DReG) of the loss (Tucker et al. 2019, equation 8). Its
        mean is that of the plain gradient if a weight depends on its own code alone, so not quite with batch norm. With
        K = 1, this is the gradient of "Sticking the Landing" (Roeder et al. 2017). The log ratio must depend on the
        encoder through the codes alone, with the parameters of q held constant.
        """
        log_weights = kl_factor * log_ratio - self.reconstruction_weight * reconstruction_error
        if codes.requires_grad:
            # A code's plain gradient is w̃ ∂ log w / ∂z, with the normalised weight w̃. DReG is w̃² ∂ log w / ∂z. Of a
            # log ratio that is scaled by s, the same derivation gives w̃ (1 − s + s w̃) ∂ log w / ∂z.
            shares = torch.softmax(log_weights.detach(), dim=1)[:, :, None]
            codes.register_hook(lambda gradient: gradient * (1 - kl_factor + kl_factor * shares))
        bound = torch.logsumexp(log_weights, dim=1) - math.log(log_weights.shape[1])
        return Terms(-bound, reconstruction_error.mean(dim=1), kl.sum(dim=1))

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
