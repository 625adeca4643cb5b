import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from builders import gaussian_code, tiny_images, tiny_model
from mnist_vae.model.networks.mlp import Decoder, Encoder, Tanh

HIDDEN = {"relu": lambda x: x.clamp(min=0), "tanh": torch.tanh, "silu": lambda x: x / (1 + torch.exp(-x))}


def _by_hand(values: Tensor, weights: list[Tensor], hidden: str = "relu") -> Tensor:
    """Matrix products with an activation between them, from weights and biases in turn."""
    pairs = list(zip(weights[::2], weights[1::2], strict=True))
    for place, (weight, bias) in enumerate(pairs):
        values = values @ weight.T + bias
        values = values if place == len(pairs) - 1 else HIDDEN[hidden](values)
    return values


@pytest.mark.parametrize("widths", [[5], [7, 4], [6, 5, 4]], ids=str)
@pytest.mark.parametrize("size", [16, 17])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_model_equals_one_written_out_in_matrix_products(widths: list[int], size: int, hidden: str) -> None:
    model = tiny_model(network="mlp", mlp_widths=widths, image_size=size, activation=hidden)
    images = tiny_images(5, size=size)
    code, pixels = gaussian_code(model, images), images.flatten(1) / 127.5 - 1
    output = _by_hand(pixels, list(model.encoder.parameters()), hidden)
    torch.testing.assert_close(code.mean, output[:, :3])
    torch.testing.assert_close(code.log_variance, output[:, 3:])
    brightness = (torch.tanh(_by_hand(code.mean, list(model.decoder.parameters()), hidden)) + 1) / 2
    torch.testing.assert_close(model.decode(code.mean), brightness.reshape(5, 1, size, size))


def test_decoder_has_the_encoders_widths_in_reverse() -> None:
    layers = [
        [tuple(weight.shape) for weight in module.parameters() if weight.ndim == 2]
        for module in (Encoder(17, [7, 4], 6), Decoder(17, [7, 4], 3, nn.Sigmoid))
    ]
    assert layers == [[(7, 289), (4, 7), (6, 4)], [(4, 3), (7, 4), (289, 7)]]


def test_pixels_come_out_in_the_order_in_which_they_went_in() -> None:
    # One hidden layer as wide as the image, all weights units: the image itself.
    model = tiny_model(network="mlp", mlp_widths=[256], latent_dim=256, variational=False, kl_weight=0).eval()
    for name, weight in model.named_parameters():
        nn.init.eye_(weight) if name.endswith("weight") else nn.init.zeros_(weight)
    images = tiny_images(2)
    with torch.no_grad():
        decoded = model.decode(model.encode(images).mean)
    # ReLU has cut the dark half off.
    expected = (torch.tanh(functional.relu(images / 127.5 - 1)) + 1) / 2
    torch.testing.assert_close(decoded, expected)


@pytest.mark.parametrize(("size", "latent_dim", "weights"), [(28, 2, 807_700), (32, 128, 1_247_488), (16, 3, 268_038)])
def test_number_of_weights_is_the_formulas(size: int, latent_dim: int, weights: int) -> None:
    model = tiny_model(network="mlp", mlp_widths=[512], image_size=size, latent_dim=latent_dim)
    pixels = size**2
    encoder = (pixels + 1) * 512 + (512 + 1) * 2 * latent_dim
    decoder = (latent_dim + 1) * 512 + (512 + 1) * pixels
    assert sum(weight.numel() for weight in model.parameters()) == encoder + decoder == weights


def test_tanh_is_that_of_the_standard_library() -> None:
    values = torch.linspace(-60, 60, 2001)
    expected = torch.tensor([math.tanh(value) for value in values.tolist()])
    torch.testing.assert_close(Tanh()(values), expected, rtol=0, atol=3e-7)


def test_training_may_begin_with_the_mean_image() -> None:
    model = tiny_model(network="mlp", reconstruction="bernoulli", output_bias="mean_image", mlp_widths=[7, 4])
    images = tiny_images(50)
    images[:, 0, 0, :2] = torch.tensor([0, 255], dtype=torch.uint8)  # always black, always white
    before = [weight.clone() for weight in model.parameters()]
    model.start_at_mean(images)
    *others, bias = model.parameters()
    mean = images.double().flatten(1).mean(dim=0) / 255
    expected = [math.log(p / (1 - p)) for p in mean.clamp(0.001, 0.999).tolist()]
    assert bias.tolist() == pytest.approx(expected, rel=1e-5)
    assert all(torch.equal(weight, kept) for weight, kept in zip(others, before, strict=False))
