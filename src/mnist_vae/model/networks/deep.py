"""The deep "vanilla" network: a stride-2 3×3 convolution for each of vanilla_channels, mirrored."""

from jaxtyping import Float
from torch import Tensor, nn

from mnist_vae.common.params import ModelParams


class Encoder(nn.Module):
    """Images (B, 1, S, S) to (B, outputs), S a multiple of 2^levels."""

    def __init__(self, params: ModelParams, outputs: int):
        super().__init__()
        channels = params.vanilla_channels
        self.layers = nn.Sequential(
            *(layer for pair in zip((1, *channels), channels, strict=False) for layer in _down(*pair)),
            nn.Flatten(),  # (B, last · (S / 2^levels)²)
            # The linear layers to mean and log variance, as one with the outputs side by side.
            nn.Linear(channels[-1] * _smallest_side(params) ** 2, outputs),
        )

    def forward(self, images: Float[Tensor, "B 1 S S"]) -> Float[Tensor, "B outputs"]:
        return self.layers(images)


class Decoder(nn.Module):
    """Codes (B, latent_dim) to images (B, 1, S, S) in the range of `activation`."""

    def __init__(self, params: ModelParams, activation: type[nn.Module]):
        super().__init__()
        channels, side = params.vanilla_channels[::-1], _smallest_side(params)
        self.layers = nn.Sequential(
            nn.Linear(params.latent_dim, channels[0] * side**2),
            nn.Unflatten(1, (channels[0], side, side)),
            # One more than the encoder's widths give pairs: the last level keeps its width.
            *(layer for pair in zip(channels, (*channels[1:], channels[-1]), strict=True) for layer in _up(*pair)),
            nn.Conv2d(channels[-1], 1, 3, padding=1),  # (B, 1, S, S)
            activation(),
        )

    def forward(self, codes: Float[Tensor, "B D"]) -> Float[Tensor, "B 1 S S"]:
        return self.layers(codes)


def _smallest_side(params: ModelParams) -> int:
    return params.image_size // 2 ** len(params.vanilla_channels)


# No bias before a batch norm, which would subtract it again.
def _down(inputs: int, outputs: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(inplace=True)]


def _up(inputs: int, outputs: int) -> list[nn.Module]:
    convolution = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(inplace=True)]
