"""Stride-2 4×4 convolutions, then dense layers, mirrored; without batch norm.

The first and the last convolution are computed as in fast_conv.py.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from mnist_vae.model.networks.fast_conv import first_convolution, last_convolution
from mnist_vae.model.networks.mlp import ACTIVATIONS, linear_layers


class Encoder(nn.Module):
    """Images (B, 1, S, S) to (B, outputs), S a multiple of 2^levels; a level for each number of channels."""

    def __init__(self, image_size: int, channels: Sequence[int], outputs: int, widths: Sequence[int], hidden: str):
        super().__init__()
        self.first = nn.Conv2d(1, channels[0], 4, stride=2, padding=1)
        self.layers = nn.Sequential(
            ACTIVATIONS[hidden](),
            *(layer for pair in pairwise(channels) for layer in _down(*pair, hidden)),  # (B, last, side, side)
            nn.Flatten(),
            *linear_layers((channels[-1] * _side(image_size, channels) ** 2, *widths, outputs), hidden),
        )

    def forward(self, images: Float[Tensor, "B 1 S S"]) -> Float[Tensor, "B outputs"]:
        features = first_convolution(images, self.first.weight)
        return self.layers(features + cast("Tensor", self.first.bias)[:, None, None])


class Decoder(nn.Module):
    """Latent codes (B, latent_dim) to images (B, 1, S, S) in the range of `activation`."""

    def __init__(
        self,
        image_size: int,
        channels: Sequence[int],
        latent_dim: int,
        activation: type[nn.Module],
        widths: Sequence[int],
        hidden: str,
    ):
        super().__init__()
        side = _side(image_size, channels)
        self.layers = nn.Sequential(
            *linear_layers((latent_dim, *widths[::-1], channels[-1] * side**2), hidden),
            ACTIVATIONS[hidden](),
            nn.Unflatten(1, (channels[-1], side, side)),
            *(layer for pair in pairwise(channels[::-1]) for layer in _up(*pair, hidden)),
        )
        self.last = nn.ConvTranspose2d(channels[0], 1, 4, stride=2, padding=1)  # (B, 1, S, S)
        self.activation = activation()

    def forward(self, codes: Float[Tensor, "B D"]) -> Float[Tensor, "B 1 S S"]:
        return self.activation(last_convolution(self.layers(codes), self.last))


def _side(image_size: int, channels: Sequence[int]) -> int:
    return image_size // 2 ** len(channels)


def _down(inputs: int, outputs: int, hidden: str) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), ACTIVATIONS[hidden]()]


def _up(inputs: int, outputs: int, hidden: str) -> list[nn.Module]:
    return [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1), ACTIVATIONS[hidden]()]
