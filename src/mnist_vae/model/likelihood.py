"""How the decoder's output is read: the range of the images, the reconstruction error, and the likelihood p(x|z)."""

import math
from typing import TypeVar

from jaxtyping import Float, UInt8
from torch import Tensor, nn

from mnist_vae.common.catalogue import WHITE

_HALVINGS = 6
_WIDE = 2  # the length of [-1, 1]
Number = TypeVar("Number", float, Tensor)


class SquaredError:
    """Summed squared error, for a Gaussian of fixed variance: on [-1, 1] with tanh, or on [0, 1] with a sigmoid.

    The likelihood is always that of images on [-1, 1], so that its values can be compared between the two.
    """

    is_binary = False  # whether it is one of black and white pixels alone

    def __init__(self, activation: type[nn.Module], span: int):
        self.activation, self._span = activation, span
        self.reconstruction_unit = f"summed squared error, images in {'[-1, 1]' if span == _WIDE else '[0, 1]'}"

    def scale(self, images: UInt8[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 H W"]:
        """Grey levels 0..255 as the numbers that the networks work with."""
        return images.float() * (self._span / WHITE) - (self._span - 1)

    def brightness(self, output: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 H W"]:
        """The decoder's output as brightness from 0 (black) to 1 (white)."""
        return (output + (self._span - 1)) / self._span

    def reconstruction_error(
        self, images: Float[Tensor, "*#B 1 H W"], output: Float[Tensor, "*B 1 H W"]
    ) -> Float[Tensor, "*B"]:
        """Summed squared error of each image, on the scale of the range."""
        return (output - images).square().sum(dim=(-3, -2, -1))

    def variance(self, beta: float) -> float | None:
        """The variance σ² of the Gaussian that the loss implies, for images on [-1, 1]; None if beta is 0.

        With this variance, reconstruction error + beta · KL is the negative ELBO up to a constant factor and a constant
        term.
        """
        return beta / 2 * self._unit if beta > 0 else None

    def negative_log_likelihood(self, reconstruction_error: Number, pixels: int, beta: float) -> Number | None:
        """−log p(x|z) of an image on [-1, 1] in nats, under the Gaussian of variance(beta); None if beta is 0."""
        variance = self.variance(beta)
        if variance is None:
            return None
        return reconstruction_error * self._unit / (2 * variance) + pixels / 2 * math.log(2 * math.pi * variance)

    @property
    def _unit(self) -> float:
        return (_WIDE / self._span) ** 2  # a squared error of 1 in the networks' range, on [-1, 1]


class Bernoulli:
    """Images scaled to [0, 1], a decoder whose output is the logit of each pixel's mean, and binary cross-entropy."""

    activation = nn.Identity  # the sigmoid would round what is near 0 or 1, and its cross-entropy with it
    reconstruction_unit = "nats"
    is_binary = True

    def scale(self, images: UInt8[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 H W"]:
        """Grey levels 0..255 as the numbers that the networks work with."""
        return images.float() / WHITE

    def brightness(self, output: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 H W"]:
        """The decoder's output as brightness from 0 (black) to 1 (white)."""
        return output.sigmoid()

    def reconstruction_error(
        self, images: Float[Tensor, "*#B 1 H W"], output: Float[Tensor, "*B 1 H W"]
    ) -> Float[Tensor, "*B"]:
        """Binary cross-entropy of each image in nats, summed over pixels (Kingma & Welling 2014, C.1).

        −x log p − (1 − x) log (1 − p) with p the sigmoid of the output a is log (1 + exp a) − x a.
        """
        return sum_softplus(output.flatten(-3)) - (images * output).sum(dim=(-3, -2, -1))

    def variance(self, beta: float) -> None:
        """None: a Bernoulli distribution has no free variance."""

    def negative_log_likelihood(self, reconstruction_error: Number, pixels: int, beta: float) -> Number | None:  # noqa: ARG002
        """−log p(x|z) of an image in nats: its reconstruction error."""
        return reconstruction_error


def sum_softplus(values: Float[Tensor, "*B P"]) -> Float[Tensor, "*B"]:
    """Σ log (1 + exp a) over the last dimension.

    Without gradients as Σ max(a, 0) − log Π σ(|a|), with logarithms of products of up to 64 numbers from ½ to 1: two
    thirds of the time on a CPU, where it is the largest part of a likelihood's estimate beside matrix products.
    """
    if values.requires_grad:
        return nn.functional.softplus(values).sum(dim=-1)
    factors = values.abs()
    positive = (values.sum(dim=-1) + factors.sum(dim=-1)) / 2
    factors = factors.sigmoid_()
    for _ in range(_HALVINGS):
        half = factors.shape[-1] // 2
        if factors.shape[-1] == 2 * half:
            factors = factors[..., :half] * factors[..., half:]
    return positive - factors.log().sum(dim=-1)


LIKELIHOODS = {
    "squared_error": SquaredError(nn.Tanh, span=2),
    "squared_error_sigmoid": SquaredError(nn.Sigmoid, span=1),
    "bernoulli": Bernoulli(),
}
