"""How the encoder's output is read: as a distribution over latent codes, or as the code itself."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class GaussianCode(NamedTuple):
    """For each image, a Gaussian with diagonal covariance over codes: the posterior q(z|x) of a VAE."""

    mean: Float[Tensor, "B D"]
    log_variance: Float[Tensor, "B D"]

    def sample(self, noise: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """The code for standard normal noise: the reparameterization of Kingma & Welling 2014, section 2.4."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    def sample_several(self, noise: Float[Tensor, "B K D"]) -> Float[Tensor, "B K D"]:
        """The K codes of each image that standard normal noise picks."""
        return self.mean[:, None] + torch.exp(self.log_variance / 2)[:, None] * noise

    def detached(self) -> "GaussianCode":
        """The same Gaussian as a constant, without gradients for its mean and its variance."""
        return GaussianCode(self.mean.detach(), self.log_variance.detach())

    def noise_of(self, codes: Float[Tensor, "B K D"]) -> Float[Tensor, "B K D"]:
        """The standard normal noise that picks the codes: the inverse of sample_several."""
        return (codes - self.mean[:, None]) * torch.exp(-self.log_variance / 2)[:, None]

    def log_ratio(self, noise: Float[Tensor, "B K D"], codes: Float[Tensor, "B K D"]) -> Float[Tensor, "B K"]:
        """Of the codes z that the noise picks, the prior against the posterior: log N(z; 0, 1) − log q(z|x) in nats."""
        # Of both densities the constants cancel: −½ z² against −½ ε² − ½ log σ².
        squares = (noise.square() - codes.square()).sum(dim=2)
        return 0.5 * (squares + self.log_variance.sum(dim=1, keepdim=True))

    def kl(self) -> Float[Tensor, "B D"]:
        """KL(q(z|x) || N(0, 1)) of each dimension in nats: ½ (σ² + μ² − log σ² − 1) (Kingma & Welling 2014, B)."""
        return 0.5 * (self.log_variance.exp() + self.mean.square() - self.log_variance - 1)

    def kl_to(self, other: "GaussianCode") -> Float[Tensor, "B D"]:
        """KL(self || other) of each dimension in nats: ½ (σ₁²/σ₂² + (μ₁ − μ₂)²/σ₂² − log σ₁²/σ₂² − 1)."""
        log_ratio = self.log_variance - other.log_variance
        distance = (self.mean - other.mean).square() * torch.exp(-other.log_variance)
        return 0.5 * (log_ratio.exp() + distance - log_ratio - 1)


class PointCode(NamedTuple):
    """The point estimate of a plain autoencoder: one code for each image."""

    mean: Float[Tensor, "B D"]

    def sample(self, noise: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:  # noqa: ARG002
        """The code itself, whatever the noise."""
        return self.mean

    def kl(self) -> Float[Tensor, "B D"]:
        """Exactly 0: a plain autoencoder has no KL."""
        return torch.zeros_like(self.mean)


class GaussianLatent:
    """Reads the encoder's output as means and log variances; codes have the prior N(0, 1)."""

    outputs_per_dimension = 2
    has_prior = True

    def code(self, output: Float[Tensor, "B outputs"]) -> GaussianCode:
        """The posterior from the encoder's output, whose first half is the mean, and the second the log variance."""
        mean, log_variance = output.chunk(2, dim=1)
        return GaussianCode(mean, log_variance)


class PointLatent:
    """Reads the encoder's output as the codes; they have no prior."""

    outputs_per_dimension = 1
    has_prior = False

    def code(self, output: Float[Tensor, "B outputs"]) -> PointCode:
        """The point estimate: the encoder's output itself."""
        return PointCode(output)
