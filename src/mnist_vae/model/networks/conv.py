"""The conv network as the tutorial writes it: stride-2 4×4 convolutions with batch norm and ReLU, mirrored.

Training uses fast_conv.py instead, whose results are equal except for rounding.
"""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn


class Encoder(nn.Module):
    """Images (B, 1, S, S) to (B, outputs), S a multiple of 2^levels."""

    def __init__(self, image_size: int, channels: Sequence[int], outputs: int):
        super().__init__()
        self.layers = nn.Sequential(
            *(layer for pair in pairwise((1, *channels)) for layer in _down(*pair)),  # (B, last, side, side)
            # The tutorial's two convolutions, for mean and log variance, are one here, with their outputs side by side.
            nn.Conv2d(channels[-1], outputs, image_size // 2 ** len(channels)),  # (B, outputs, 1, 1)
            nn.Flatten(),
        )

    def forward(self, images: Float[Tensor, "B 1 S S"]) -> Float[Tensor, "B outputs"]:
        return self.layers(images)


class Decoder(nn.Module):
    """Latent codes (B, latent_dim) to images (B, 1, S, S) in the range of `activation`."""

    def __init__(self, image_size: int, channels: Sequence[int], latent_dim: int, activation: type[nn.Module]):
        super().__init__()
        first, side = channels[-1], image_size // 2 ** len(channels)
        self.layers = nn.Sequential(
            nn.Unflatten(1, (latent_dim, 1, 1)),
            nn.ConvTranspose2d(latent_dim, first, side, bias=False),  # (B, first, side, side)
            *_normed(first),
            *(layer for pair in pairwise(channels[::-1]) for layer in _up(*pair)),
            nn.ConvTranspose2d(channels[0], 1, 4, stride=2, padding=1),  # (B, 1, S, S)
            activation(),
        )

    def forward(self, codes: Float[Tensor, "B D"]) -> Float[Tensor, "B 1 S S"]:
        return self.layers(codes)


# No bias before a batch norm, which would subtract it again.
def _down(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False), *_normed(outputs)]


def _up(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False), *_normed(outputs)]


def _normed(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
