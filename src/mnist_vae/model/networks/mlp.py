"""The multilayer perceptron: the pixels through linear layers with ReLU, mirrored."""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn


class Encoder(nn.Module):
    """Images (B, 1, S, S) of any size to (B, outputs), through hidden layers of the given widths."""

    def __init__(self, image_size: int, widths: Sequence[int], outputs: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), *_layers((image_size**2, *widths, outputs)))

    def forward(self, images: Float[Tensor, "B 1 S S"]) -> Float[Tensor, "B outputs"]:
        return self.layers(images)


class Decoder(nn.Module):
    """Latent codes (B, latent_dim) to images (B, 1, S, S) in the range of `activation`, by the widths in reverse."""

    def __init__(self, image_size: int, widths: Sequence[int], latent_dim: int, activation: type[nn.Module]):
        super().__init__()
        self.layers = nn.Sequential(
            *_layers((latent_dim, *widths[::-1], image_size**2)),
            nn.Unflatten(1, (1, image_size, image_size)),
            activation(),
        )

    def forward(self, codes: Float[Tensor, "B D"]) -> Float[Tensor, "B 1 S S"]:
        return self.layers(codes)


def _layers(widths: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for pair in pairwise(widths):
        layers += [nn.Linear(*pair), nn.ReLU(inplace=True)]
    return layers[:-1]  # the last layer's values are the result as they are
