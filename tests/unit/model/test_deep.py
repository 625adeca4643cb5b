import pytest
import torch
from torch import Tensor, nn

from builders import assert_equals_twin, tiny_model
from mnist_vae.model.autoencoder import Autoencoder
from mnist_vae.model.networks.deep import Decoder, Encoder
from tutorial import split_heads


class Twin(nn.Module):
    """Three levels of 2, 3 and 4 channels, written out from torch's own layers, with two heads."""

    def __init__(self, size: int, latent_dim: int, activation: nn.Module):
        super().__init__()
        self.side = size // 8
        self.features = nn.Sequential(
            nn.Conv2d(1, 2, 3, 2, 1, bias=False),
            nn.BatchNorm2d(2),
            nn.LeakyReLU(0.01),
            nn.Conv2d(2, 3, 3, 2, 1, bias=False),
            nn.BatchNorm2d(3),
            nn.LeakyReLU(0.01),
            nn.Conv2d(3, 4, 3, 2, 1, bias=False),
            nn.BatchNorm2d(4),
            nn.LeakyReLU(0.01),
        )
        self.mean = nn.Linear(4 * self.side**2, latent_dim)
        self.log_variance = nn.Linear(4 * self.side**2, latent_dim)
        self.grow = nn.Linear(latent_dim, 4 * self.side**2)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(4, 3, 3, 2, 1, 1, bias=False),
            nn.BatchNorm2d(3),
            nn.LeakyReLU(0.01),
            nn.ConvTranspose2d(3, 2, 3, 2, 1, 1, bias=False),
            nn.BatchNorm2d(2),
            nn.LeakyReLU(0.01),
            nn.ConvTranspose2d(2, 2, 3, 2, 1, 1, bias=False),
            nn.BatchNorm2d(2),
            nn.LeakyReLU(0.01),
            nn.Conv2d(2, 1, 3, 1, 1),
            activation,
        )

    def like(self, model: Autoencoder) -> "Twin":
        self.load_state_dict(dict(zip(self.state_dict(), split_heads(model), strict=True)))
        return self

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(images).flatten(1)
        return self.mean(features), self.log_variance(features)

    def decode(self, codes: Tensor) -> Tensor:
        return self.decoder(self.grow(codes).reshape(len(codes), 4, self.side, self.side))


@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("reconstruction", "activation"), [("squared_error", nn.Tanh), ("bernoulli", nn.Sigmoid)])
def test_model_equals_one_written_out_layer_for_layer(
    size: int,
    training: bool,  # noqa: FBT001
    reconstruction: str,
    activation: type[nn.Module],
) -> None:
    changes = {"network": "deep", "deep_channels": [2, 3, 4], "image_size": size}
    model = tiny_model(**changes, reconstruction=reconstruction).train(training)
    twin = Twin(size, 3, activation()).like(model).train(training)
    assert_equals_twin(model, twin, size, reconstruction)


def _shapes(layers: nn.Sequential, start: Tensor) -> list[tuple[int, ...]]:
    """The shapes after each layer that changes them."""
    shapes = []
    for layer in layers.eval():
        start = layer(start)
        if not shapes or tuple(start.shape[1:]) != shapes[-1]:
            shapes.append(tuple(start.shape[1:]))
    return shapes


def test_five_levels_halve_32_pixels_to_one_and_double_them_again() -> None:
    channels = [32, 64, 128, 256, 512]
    down = _shapes(Encoder(32, channels, 256).layers, torch.zeros(1, 1, 32, 32))
    assert down == [(32, 16, 16), (64, 8, 8), (128, 4, 4), (256, 2, 2), (512, 1, 1), (512,), (256,)]
    up = _shapes(Decoder(32, channels, 128, nn.Tanh).layers, torch.zeros(1, 128))
    assert up == [(512,), (512, 1, 1), (256, 2, 2), (128, 4, 4), (64, 8, 8), (32, 16, 16), (32, 32, 32), (1, 32, 32)]


def test_two_levels_take_28_pixels() -> None:
    down = _shapes(Encoder(28, [32, 64], 6).layers, torch.zeros(1, 1, 28, 28))
    assert down == [(32, 14, 14), (64, 7, 7), (64 * 49,), (6,)]
    assert Decoder(28, [32, 64], 3, nn.Tanh)(torch.zeros(2, 3)).shape == (2, 1, 28, 28)


@pytest.mark.parametrize(
    ("channels", "size", "latent_dim"), [([32, 64, 128, 256, 512], 32, 128), ([2, 3], 16, 3), ([7], 28, 2)]
)
def test_number_of_weights_is_the_formulas(channels: list[int], size: int, latent_dim: int) -> None:
    flat = channels[-1] * (size // 2 ** len(channels)) ** 2
    # Nine weights for each pair of channels, and two of the batch norm for each channel made.
    encoder = sum(9 * inputs * outputs + 2 * outputs for inputs, outputs in zip([1, *channels], channels, strict=False))
    made = [*channels[-2::-1], channels[0]]
    decoder = sum(9 * inputs * outputs + 2 * outputs for inputs, outputs in zip(channels[::-1], made, strict=True))
    heads, growing, last = (flat + 1) * 2 * latent_dim, (latent_dim + 1) * flat, 9 * channels[0] + 1
    changes = {"network": "deep", "deep_channels": channels, "image_size": size, "latent_dim": latent_dim}
    count = sum(weight.numel() for weight in tiny_model(**changes).parameters())
    assert count == encoder + heads + growing + decoder + last
