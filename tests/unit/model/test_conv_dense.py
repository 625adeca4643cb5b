import pytest
import torch
from torch import Tensor
from torch.nn import functional

from builders import gaussian_code, tiny_images, tiny_model
from mnist_vae.model.autoencoder import Autoencoder

ACTIVATIONS = {"relu": functional.relu, "tanh": torch.tanh, "silu": lambda x: x / (1 + torch.exp(-x))}


def _written_out(model: Autoencoder, pixels: Tensor, activation: str, levels: int) -> tuple[Tensor, Tensor]:
    """The encoder's output, and the decoder's at the mean code, in torch's functions, from weights in their order."""
    act, weights = ACTIVATIONS[activation], iter(model.encoder.parameters())
    features = pixels
    for _ in range(levels):
        features = act(functional.conv2d(features, next(weights), next(weights), stride=2, padding=1))
    hidden = act(functional.linear(features.flatten(1), next(weights), next(weights)))
    output = functional.linear(hidden, next(weights), next(weights))
    weights = iter(model.decoder.parameters())
    hidden = act(functional.linear(output[:, :3], next(weights), next(weights)))
    features = act(functional.linear(hidden, next(weights), next(weights))).reshape(features.shape)
    for _ in range(levels - 1):
        features = act(functional.conv_transpose2d(features, next(weights), next(weights), stride=2, padding=1))
    return output, functional.conv_transpose2d(features, next(weights), next(weights), stride=2, padding=1)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("size", "channels"), [(28, [4, 6]), (16, [2, 3, 5]), (18, [4])], ids=str)
def test_model_equals_one_written_out_in_torchs_functions(size: int, channels: list[int], activation: str) -> None:
    changes = {"network": "conv_dense", "image_size": size, "conv_channels": channels, "mlp_widths": [7]}
    model = tiny_model(**changes, activation=activation, reconstruction="bernoulli")
    images = tiny_images(5, size=size)
    output, logits = _written_out(model, images / 255, activation, len(channels))
    code = gaussian_code(model, images)
    torch.testing.assert_close(code.mean, output[:, :3])
    torch.testing.assert_close(code.log_variance, output[:, 3:])
    torch.testing.assert_close(model.decode(code.mean), logits.sigmoid())


def test_conv_network_takes_28_pixels_with_two_levels() -> None:
    model = tiny_model(image_size=28, conv_channels=[4, 6])
    code = gaussian_code(model, tiny_images(3, size=28))
    assert model.decode(code.mean).shape == (3, 1, 28, 28)
    # Two levels leave 7×7, which the last convolution covers.
    assert [weight.shape for weight in model.encoder.parameters()][-2] == (6, 6, 7, 7)
