"""The deep network of the "vanilla" notebook: a stride-2 3×3 convolution for each width, mirrored."""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn


class Encoder(nn.Module):
    """Images (B, 1, S, S) to (B, outputs), S a multiple of 2^levels."""

    def __init__(self, image_size: int, channels: Sequence[int], outputs: int):
        super().__init__()
        side = image_size // 2 ** len(channels)
        self.layers = nn.Sequential(
            *(layer for pair in pairwise((1, *channels)) for layer in _down(*pair)),
            nn.Flatten(),  # (B, last · side²)
            # The two linear layers, for mean and log variance, are one here, with their outputs side by side.
            nn.Linear(channels[-1] * side**2, outputs),
        )

    def forward(self, images: Float[Tensor, "B 1 S S"]) -> Float[Tensor, "B outputs"]:
        return self.layers(images)


class Decoder(nn.Module):
    """Latent codes (B, latent_dim) to images (B, 1, S, S) in the range of `activation`."""

    def __init__(self, image_size: int, channels: Sequence[int], latent_dim: int, activation: type[nn.Module]):
        super().__init__()
        first, *others = channels[::-1]
        side = image_size // 2 ** len(channels)
        # The decoder needs one level more than there are pairs of widths. The last level keeps its width.
        widths = (first, *others, channels[0])
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, first * side**2),
            nn.Unflatten(1, (first, side, side)),
            *(layer for pair in pairwise(widths) for layer in _up(*pair)),
            nn.Conv2d(channels[0], 1, 3, padding=1),  # (B, 1, S, S)
            activation(),
        )

    def forward(self, codes: Float[Tensor, "B D"]) -> Float[Tensor, "B 1 S S"]:
        return self.layers(codes)


# No bias before a batch norm, which would subtract it again.
def _down(inputs: int, outputs: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(inplace=True)]


def _up(inputs: int, outputs: int) -> list[nn.Module]:
    convolution = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(inplace=True)]
