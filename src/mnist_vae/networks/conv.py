"""The conv network of the tutorial: three stride-2 convolutions with batch norm, mirrored."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mnist_vae.params import ModelParams


class Encoder(nn.Module):
    """Images (B, 1, S, S) to (B, outputs), S a multiple of 8."""

    def __init__(self, params: ModelParams, outputs: int):
        super().__init__()
        channels = params.base_channels
        self.layers = nn.Sequential(
            *_down(1, channels),  # (B, ch, S/2, S/2)
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
            nn.BatchNorm2d(4 * channels),
            nn.ReLU(inplace=True),
            *_up(4 * channels, 2 * channels),  # (B, 2ch, S/4, S/4)
            *_up(2 * channels, channels),  # (B, ch, S/2, S/2)
            nn.ConvTranspose2d(channels, 1, 4, stride=2, padding=1),  # (B, 1, S, S)
            activation(),
        )

    def forward(self, codes: Float[Tensor, "B D"]) -> Float[Tensor, "B 1 S S"]:
        return self.layers(codes)


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
        return (codes @ weight.flatten(1)).unflatten(1, weight.shape[1:])


# No bias before a batch norm, which would subtract it again.
def _down(inputs: int, outputs: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def _up(inputs: int, outputs: int) -> list[nn.Module]:
    convolution = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
