"""The conv network, computed faster: it has the weights and layers of conv.py, but rearranges some convolutions.

The results equal those of conv.py except for rounding. On two CPU cores a training step takes two thirds of the time,
because oneDNN is slow for convolutions with one channel and for kernels that cover the whole image. Between the first
and the last convolution, the memory format is channels last, which is faster for oneDNN's other convolutions.
"""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mnist_vae.model.networks import conv


class Encoder(nn.Module):
    """Images (B, 1, S, S) to (B, outputs), as conv.Encoder."""

    def __init__(self, image_size: int, channels: Sequence[int], outputs: int):
        super().__init__()
        self.layers = conv.Encoder(image_size, channels, outputs).layers

    def forward(self, images: Float[Tensor, "B 1 S S"]) -> Float[Tensor, "B outputs"]:
        first, *between, last, _ = self.layers
        features = first_convolution(images, cast("Tensor", first.weight))
        for layer in between:
            features = layer(features)
        return whole_image_convolution(features, cast("nn.Conv2d", last))


class Decoder(nn.Module):
    """Latent codes (B, latent_dim) to images (B, 1, S, S) in the range of `activation`, as conv.Decoder."""

    def __init__(self, image_size: int, channels: Sequence[int], latent_dim: int, activation: type[nn.Module]):
        super().__init__()
        self.layers = conv.Decoder(image_size, channels, latent_dim, activation).layers

    def forward(self, codes: Float[Tensor, "B D"]) -> Float[Tensor, "B 1 S S"]:
        _, first, *between, last, activation = self.layers
        features = whole_image_transposed_convolution(codes, cast("Tensor", first.weight))
        for layer in between:
            features = layer(features)
        return activation(last_convolution(features, cast("nn.ConvTranspose2d", last)))


def first_convolution(
    images: Float[Tensor, "B 1 S S"], weight: Float[Tensor, "C 1 4 4"]
) -> Float[Tensor, "B C S/2 S/2"]:
    """The 4×4 convolution of stride 2 and padding 1 of images with one channel.

    It is computed as a 2×2 convolution of stride 1 over four channels, which are 2×2 blocks of pixels. This takes half
    the time, forward and backward.
    """
    blocks = _blocks(functional.pad(images, (1, 1, 1, 1)))  # (B, 4, S/2 + 1, S/2 + 1)
    return functional.conv2d(blocks.contiguous(memory_format=torch.channels_last), _blocks(weight))


def last_convolution(
    features: Float[Tensor, "B C K K"], convolution: nn.ConvTranspose2d
) -> Float[Tensor, "B 1 2*K 2*K"]:
    """The transposed 4×4 convolution of stride 2 and padding 1 to one channel.

    It is computed as a transposed 2×2 convolution of stride 1 to four channels, which are 2×2 blocks of pixels. This
    takes half the time, forward and backward.
    """
    weight, bias = _blocks(convolution.weight), cast("Tensor", convolution.bias)
    blocks = functional.conv_transpose2d(features, weight, bias.expand(4))  # (B, 4, K + 1, K + 1)
    rows = blocks.unflatten(1, (2, 2)).permute(0, 3, 1, 4, 2)  # (B, K + 1, 2, K + 1, 2)
    return rows.flatten(3, 4).flatten(1, 2)[:, None, 1:-1, 1:-1]


def whole_image_convolution(features: Float[Tensor, "B C K K"], convolution: nn.Conv2d) -> Float[Tensor, "B outputs"]:
    """A convolution whose kernel covers the whole image, computed as a matrix product in a quarter of the time."""
    return functional.linear(features.flatten(1), convolution.weight.flatten(1), convolution.bias)


def whole_image_transposed_convolution(
    codes: Float[Tensor, "B D"], weight: Float[Tensor, "D C K K"]
) -> Float[Tensor, "B C K K"]:
    """The transposed convolution of a single pixel, without a bias, computed as a matrix product."""
    images = (codes @ weight.flatten(1)).unflatten(1, weight.shape[1:])
    # This copies, but only a quarter of the weights' size.
    return images.contiguous(memory_format=torch.channels_last)


# Like functional.pixel_unshuffle, which however returns an empty batch unchanged.
def _blocks(images: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 4 H/2 W/2"]:
    """2×2 blocks of pixels as four channels."""
    rows = images.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))[:, 0]  # (B, H/2, 2, W/2, 2)
    return rows.permute(0, 2, 4, 1, 3).flatten(1, 2)
