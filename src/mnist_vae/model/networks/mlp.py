"""The multilayer perceptron: the pixels through linear layers of mlp_widths with ReLU, mirrored."""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from mnist_vae.common.params import ModelParams


class Encoder(nn.Module):
    """Images (B, 1, S, S) of any size to (B, outputs)."""

    def __init__(self, params: ModelParams, outputs: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), *_layers((params.image_size**2, *params.mlp_widths, outputs)))

    def forward(self, images: Float[Tensor, "B 1 S S"]) -> Float[Tensor, "B outputs"]:
        return self.layers(images)


class Decoder(nn.Module):
    """Codes (B, latent_dim) to images (B, 1, S, S) in the range of `activation`."""

    def __init__(self, params: ModelParams, activation: type[nn.Module]):
        super().__init__()
        size = params.image_size
        self.layers = nn.Sequential(
            *_layers((params.latent_dim, *params.mlp_widths[::-1], size**2)),
            nn.Unflatten(1, (1, size, size)),
            activation(),
        )

    def forward(self, codes: Float[Tensor, "B D"]) -> Float[Tensor, "B 1 S S"]:
        return self.layers(codes)


def _layers(widths: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for pair in pairwise(widths):
        layers += [nn.Linear(*pair), nn.ReLU(inplace=True)]
    return layers[:-1]  # the last one's values are the result as they are
