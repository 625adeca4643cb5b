"""The conv network of the tutorial: three stride-2 convolutions with batch norm, mirrored.

Where a convolution is slow on a CPU in the form the tutorial writes it, it is computed in another one that is equal but
for rounding. Between the first and the last convolution images lie in memory with their channels last, which oneDNN's
convolutions and torch's batch norm prefer.
"""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mnist_vae.common.params import ModelParams


class Encoder(nn.Module):
    """Images (B, 1, S, S) to (B, outputs), S a multiple of 8."""

    def __init__(self, params: ModelParams, outputs: int):
        super().__init__()
        channels = params.base_channels
        self.layers = nn.Sequential(
            FirstConv2d(channels),  # (B, ch, S/2, S/2)
            *_normed(channels),
            *_down(channels, 2 * channels),  # (B, 2ch, S/4, S/4)
            *_down(2 * channels, 4 * channels),  # (B, 4ch, S/8, S/8)
            # The tutorial's two convolutions, to mean and log variance, as one with the outputs side by side;
            # 4x4 for images of 32 pixels.
            WholeImageConv2d(4 * channels, outputs, params.image_size // 8),  # (B, outputs)
        )

    def forward(self, images: Float[Tensor, "B 1 S S"]) -> Float[Tensor, "B outputs"]:
        return self.layers(images)


class Decoder(nn.Module):
    """Codes (B, latent_dim) to images (B, 1, S, S) in the range of `activation`."""

    def __init__(self, params: ModelParams, activation: type[nn.Module]):
        super().__init__()
        channels = params.base_channels
        self.layers = nn.Sequential(
            WholeImageConvTranspose2d(params.latent_dim, 4 * channels, params.image_size // 8),  # (B, 4ch, S/8, S/8)
            *_normed(4 * channels),
            *_up(4 * channels, 2 * channels),  # (B, 2ch, S/4, S/4)
            *_up(2 * channels, channels),  # (B, ch, S/2, S/2)
            LastConvTranspose2d(channels),  # (B, 1, S, S)
            activation(),
        )

    def forward(self, codes: Float[Tensor, "B D"]) -> Float[Tensor, "B 1 S S"]:
        return self.layers(codes)


class FirstConv2d(nn.Module):
    """The 4×4 convolution of stride 2 and padding 1 of images with one channel: (B, 1, S, S) to (B, outputs, S/2, S/2).

    Computed as a 2×2 convolution of stride 1, of 2×2 blocks of pixels as four channels: forward and backward take half
    the time.
    """

    def __init__(self, outputs: int):
        super().__init__()
        self.convolution = nn.Conv2d(1, outputs, 4, stride=2, padding=1, bias=False)

    def forward(self, images: Float[Tensor, "B 1 S S"]) -> Float[Tensor, "B outputs S/2 S/2"]:
        blocks = _blocks(functional.pad(images, (1, 1, 1, 1)))  # (B, 4, S/2 + 1, S/2 + 1)
        return functional.conv2d(blocks.contiguous(memory_format=torch.channels_last), _blocks(self.convolution.weight))


class LastConvTranspose2d(nn.Module):
    """The transposed 4×4 convolution of stride 2 and padding 1 to one channel: (B, C, K, K) to (B, 1, 2K, 2K).

    Computed as a transposed 2×2 convolution of stride 1 to four channels, which are 2×2 blocks of pixels: forward and
    backward take half the time.
    """

    def __init__(self, inputs: int):
        super().__init__()
        self.convolution = nn.ConvTranspose2d(inputs, 1, 4, stride=2, padding=1)

    def forward(self, features: Float[Tensor, "B C K K"]) -> Float[Tensor, "B 1 2*K 2*K"]:
        weight, bias = _blocks(self.convolution.weight), cast("Tensor", self.convolution.bias)
        blocks = functional.conv_transpose2d(features, weight, bias.expand(4))  # (B, 4, K + 1, K + 1)
        rows = blocks.unflatten(1, (2, 2)).permute(0, 3, 1, 4, 2)  # (B, K + 1, 2, K + 1, 2)
        return rows.flatten(3, 4).flatten(1, 2)[:, None, 1:-1, 1:-1]


class WholeImageConv2d(nn.Module):
    """A convolution whose kernel covers the whole image: (B, C, K, K) to (B, outputs).

    It is a matrix product, and computed as one it is about four times as fast on a CPU.
    """

    def __init__(self, inputs: int, outputs: int, size: int):
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, size)

    def forward(self, images: Float[Tensor, "B C K K"]) -> Float[Tensor, "B outputs"]:
        return functional.linear(images.flatten(1), self.convolution.weight.flatten(1), self.convolution.bias)


class WholeImageConvTranspose2d(nn.Module):
    """A transposed convolution of a single pixel, without a bias: (B, D) to (B, outputs, K, K), as a matrix product."""

    def __init__(self, inputs: int, outputs: int, size: int):
        super().__init__()
        self.convolution = nn.ConvTranspose2d(inputs, outputs, size, bias=False)

    def forward(self, codes: Float[Tensor, "B D"]) -> Float[Tensor, "B outputs K K"]:
        weight = self.convolution.weight  # (D, outputs, K, K)
        images = (codes @ weight.flatten(1)).unflatten(1, weight.shape[1:])
        # A copy, but of a quarter of the weights' size.
        return images.contiguous(memory_format=torch.channels_last)


# As functional.pixel_unshuffle, which returns an empty batch as it is.
def _blocks(images: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 4 H/2 W/2"]:
    """2×2 blocks of pixels as four channels."""
    rows = images.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))[:, 0]  # (B, H/2, 2, W/2, 2)
    return rows.permute(0, 2, 4, 1, 3).flatten(1, 2)


# No bias before a batch norm, which would subtract it again.
def _down(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False), *_normed(outputs)]


def _up(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False), *_normed(outputs)]


def _normed(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
