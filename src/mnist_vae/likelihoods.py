"""What the decoder's output means: the range of the images, the distortion, and the likelihood p(x|z) behind it."""

import math

from jaxtyping import Float, UInt8
from torch import Tensor, nn

_GREY_LEVELS = 255


class SquaredError:
    """Images scaled to [-1, 1], a decoder that ends in tanh, and summed squared error: a Gaussian of fixed variance."""

    activation = nn.Tanh
    distortion_unit = "summed squared error"

    def scale(self, images: UInt8[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 H W"]:
        """Grey levels 0..255 as the numbers that the networks work with."""
        return images.float() * (2 / _GREY_LEVELS) - 1

    def brightness(self, output: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 H W"]:
        """The decoder's output as brightness from 0 (black) to 1 (white)."""
        return (output + 1) / 2

    def distortion(self, images: Float[Tensor, "B 1 H W"], output: Float[Tensor, "B 1 H W"]) -> Float[Tensor, " B"]:
        """Summed squared error of each image, on the [-1, 1] scale."""
        return (output - images).square().sum(dim=(1, 2, 3))

    def variance(self, beta: float) -> float | None:
        """The σ² at which distortion + beta · rate is 2σ² times the negative ELBO up to a constant; none for beta 0."""
        return beta / 2 if beta > 0 else None

    def negative_log_likelihood(self, distortion: float, pixels: int, beta: float) -> float | None:
        """−log p(x|z) of an image in nats, from its distortion, under the Gaussian of variance(beta), if any."""
        variance = self.variance(beta)
        if variance is None:
            return None
        return distortion / (2 * variance) + pixels / 2 * math.log(2 * math.pi * variance)


class Bernoulli:
    """Images scaled to [0, 1], a decoder that ends in a sigmoid, and binary cross-entropy."""

    activation = nn.Sigmoid
    distortion_unit = "nats"

    def scale(self, images: UInt8[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 H W"]:
        """Grey levels 0..255 as the numbers that the networks work with."""
        return images.float() / _GREY_LEVELS

    def brightness(self, output: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 H W"]:
        """The decoder's output as brightness from 0 (black) to 1 (white)."""
        return output

    def distortion(self, images: Float[Tensor, "B 1 H W"], output: Float[Tensor, "B 1 H W"]) -> Float[Tensor, " B"]:
        """Binary cross-entropy of each image in nats, summed over pixels (Kingma & Welling 2014, C.1)."""
        return nn.functional.binary_cross_entropy(output, images, reduction="none").sum(dim=(1, 2, 3))

    def variance(self, beta: float) -> None:
        """None: a Bernoulli distribution has no free variance."""

    def negative_log_likelihood(self, distortion: float, pixels: int, beta: float) -> float | None:  # noqa: ARG002
        """−log p(x|z) of an image in nats, which its distortion is already."""
        return distortion


LIKELIHOODS = {"squared_error": SquaredError, "bernoulli": Bernoulli}
