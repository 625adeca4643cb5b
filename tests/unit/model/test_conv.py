"""The conv network against the tutorial's, and its faster form against it."""

import pytest
import torch
from torch import nn

from builders import assert_equals_twin, tiny_images, tiny_model, tiny_params
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.model.likelihood import LIKELIHOODS
from mnist_vae.model.networks import conv, fast_conv
from tutorial import TutorialVAE

SIZES = [(32, [6, 5, 4]), (28, [3, 4]), (16, [5]), (16, [2, 3, 4, 5])]


def test_channels_are_the_given_ones_and_sides_halve() -> None:
    shapes = []
    images = torch.zeros(1, 1, 32, 32)
    for layer in conv.Encoder(32, [16, 32, 64], 256).layers.eval():
        images = layer(images)
        shapes.append(tuple(images.shape[1:]))
    assert shapes == [(16, 16, 16)] * 3 + [(32, 8, 8)] * 3 + [(64, 4, 4)] * 3 + [(256, 1, 1), (256,)]


@pytest.mark.parametrize("size", [16, 32, 64])
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("reconstruction", LIKELIHOODS)
def test_model_equals_the_tutorials_layer_for_layer(size: int, training: bool, reconstruction: str) -> None:  # noqa: FBT001
    changes = {"image_size": size, "conv_channels": [4, 8, 16], "reconstruction": reconstruction}
    model = tiny_model(**changes).train(training)
    twin = TutorialVAE.like(model, tiny_params(**changes)).train(training)
    assert_equals_twin(model, twin, size, reconstruction)


def test_default_model_has_as_many_weights_as_the_tutorials() -> None:
    recipe = tiny_params(image_size=32, latent_dim=128, conv_channels=[16, 32, 64]).of_model()
    model = build_autoencoder(recipe)
    count = sum(weight.numel() for weight in model.parameters())
    assert count == sum(weight.numel() for weight in TutorialVAE(recipe, nn.Tanh()).parameters()) == 476_353


def _assert_equal_with_gradients(fast: nn.Module, plain: nn.Module, inputs: torch.Tensor) -> None:
    plain.load_state_dict(fast.state_dict())
    twins = inputs.detach().clone().requires_grad_()
    found, expected = fast(inputs.requires_grad_()), plain(twins)
    torch.testing.assert_close(found, expected)
    noise = torch.randn_like(expected)
    (found * noise).sum().backward()
    (expected * noise).sum().backward()
    pairs = zip([inputs, *fast.parameters()], [twins, *plain.parameters()], strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("size", "channels"), SIZES, ids=str)
def test_fast_encoder_equals_the_readable_one(
    size: int, channels: list[int], memory_format: torch.memory_format
) -> None:
    torch.manual_seed(0)
    images = torch.randn(5, 1, size, size).contiguous(memory_format=memory_format)
    _assert_equal_with_gradients(fast_conv.Encoder(size, channels, 7), conv.Encoder(size, channels, 7), images)


@pytest.mark.parametrize(("size", "channels"), SIZES, ids=str)
def test_fast_decoder_equals_the_readable_one(size: int, channels: list[int]) -> None:
    torch.manual_seed(0)
    fast, plain = (module.Decoder(size, channels, 3, nn.Tanh) for module in (fast_conv, conv))
    _assert_equal_with_gradients(fast, plain, torch.randn(5, 3))


def test_fast_and_readable_networks_have_the_same_initial_weights() -> None:
    for build in (lambda module: module.Encoder(16, [2, 3], 7), lambda module: module.Decoder(16, [2, 3], 3, nn.Tanh)):
        torch.manual_seed(0)
        fast = build(fast_conv).state_dict()
        torch.manual_seed(0)
        plain = build(conv).state_dict()
        assert fast.keys() == plain.keys()
        assert all(torch.equal(fast[name], plain[name]) for name in plain)


def test_images_between_the_convolutions_have_their_channels_last() -> None:
    # Else oneDNN's convolutions, and torch's batch norm, take half as long again.
    model, seen = tiny_model(image_size=32), []
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.terms(tiny_images(5, size=32), torch.zeros(5, 3))
    assert len(seen) == 6
    assert all(images.is_contiguous(memory_format=torch.channels_last) for images in seen)
