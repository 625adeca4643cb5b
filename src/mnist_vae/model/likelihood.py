"""How the decoder's output is read: the range of the images, the reconstruction error, and the likelihood p(x|z)."""

import math

from jaxtyping import Float, UInt8
from torch import Tensor, nn

from mnist_vae.common.catalogue import WHITE

_WIDE = 2  # the length of [-1, 1]


class SquaredError:
    """Summed squared error, for a Gaussian of fixed variance: on [-1, 1] with tanh, or on [0, 1] with a sigmoid.

    The likelihood is always that of images on [-1, 1], so that its values can be compared between the two.
    """

    def __init__(self, activation: type[nn.Module], span: int):
        self.activation, self._span = activation, span
        self.distortion_unit = f"summed squared error, images in {'[-1, 1]' if span == _WIDE else '[0, 1]'}"

    def scale(self, images: UInt8[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 H W"]:
        """Grey levels 0..255 as the numbers that the networks work with."""
        return images.float() * (self._span / WHITE) - (self._span - 1)

    def brightness(self, output: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 H W"]:
        """The decoder's output as brightness from 0 (black) to 1 (white)."""
        return (output + (self._span - 1)) / self._span

    def distortion(self, images: Float[Tensor, "B 1 H W"], output: Float[Tensor, "B 1 H W"]) -> Float[Tensor, " B"]:
        """Summed squared error of each image, on the scale of the range."""
        return (output - images).square().sum(dim=(1, 2, 3))

    def variance(self, beta: float) -> float | None:
        """The variance σ² of the Gaussian that the loss implies, for images on [-1, 1]; None if beta is 0.

        With this variance, reconstruction error + beta · KL is the negative ELBO up to a constant factor and a constant
        term.
        """
        return beta / 2 * self._unit if beta > 0 else None

    def negative_log_likelihood(self, distortion: float, pixels: int, beta: float) -> float | None:
        """−log p(x|z) of an image on [-1, 1] in nats, from its distortion, under the Gaussian of variance(beta)."""
        variance = self.variance(beta)
        if variance is None:
            return None
        return distortion * self._unit / (2 * variance) + pixels / 2 * math.log(2 * math.pi * variance)

    @property
    def _unit(self) -> float:
        return (_WIDE / self._span) ** 2  # a squared error of 1 in the networks' range, on [-1, 1]


class Bernoulli:
    """Images scaled to [0, 1], a decoder that ends in a sigmoid, and binary cross-entropy."""

    activation = nn.Sigmoid
    distortion_unit = "nats"

    def scale(self, images: UInt8[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 H W"]:
        """Grey levels 0..255 as the numbers that the networks work with."""
        return images.float() / WHITE

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


LIKELIHOODS = {
    "squared_error": SquaredError(nn.Tanh, span=2),
    "squared_error_sigmoid": SquaredError(nn.Sigmoid, span=1),
    "bernoulli": Bernoulli(),
}
