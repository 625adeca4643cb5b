"""What the encoder's output means: a distribution over latent codes."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class GaussianCode(NamedTuple):
    """For each image, a Gaussian with diagonal covariance over codes: the posterior q(z|x) of a VAE."""

    mean: Float[Tensor, "B D"]
    log_variance: Float[Tensor, "B D"]

    def sample(self, noise: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """The code that standard normal noise picks (the reparameterization of Kingma & Welling 2014, section 2.4)."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    def kl(self) -> Float[Tensor, "B D"]:
        """KL(q(z|x) || N(0, 1)) of each dimension in nats: ½ (σ² + μ² − log σ² − 1) (Kingma & Welling 2014, B)."""
        return 0.5 * (self.log_variance.exp() + self.mean.square() - self.log_variance - 1)


class GaussianLatent:
    """Reads the encoder's output as means and log variances."""

    outputs_per_dimension = 2

    def code(self, output: Float[Tensor, "B outputs"]) -> GaussianCode:
        """The code that an encoder's output describes: the first half of the channels is the mean."""
        mean, log_variance = output.chunk(2, dim=1)
        return GaussianCode(mean, log_variance)
