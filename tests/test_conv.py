import pytest
import torch
from torch import nn

from builders import gaussian_code, tiny_images, tiny_model, tiny_params
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.model.likelihood import LIKELIHOODS
from mnist_vae.model.networks.conv import (
    Encoder,
    FirstConv2d,
    LastConvTranspose2d,
    WholeImageConv2d,
    WholeImageConvTranspose2d,
)
from tutorial import TutorialVAE


def test_channels_double_and_sides_halve() -> None:
    shapes = []
    images = torch.zeros(1, 1, 32, 32)
    for layer in Encoder(tiny_params(image_size=32, base_channels=16).of_model(), 256).layers.eval():
        images = layer(images)
        shapes.append(tuple(images.shape[1:]))
    assert shapes == [(16, 16, 16)] * 3 + [(32, 8, 8)] * 3 + [(64, 4, 4)] * 3 + [(256,)]


@pytest.mark.parametrize("size", [16, 32, 64])
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("reconstruction", LIKELIHOODS)
def test_model_equals_the_tutorials_layer_for_layer(size: int, training: bool, reconstruction: str) -> None:  # noqa: FBT001
    changes = {"image_size": size, "base_channels": 4, "reconstruction": reconstruction}
    model = tiny_model(**changes).train(training)
    twin = TutorialVAE.like(model, tiny_params(**changes)).train(training)
    images = tiny_images(5, size=size)
    code, (mean, log_variance) = gaussian_code(model, images), twin.encode(model.likelihood.scale(images))
    torch.testing.assert_close(code.mean, mean)
    torch.testing.assert_close(code.log_variance, log_variance)
    torch.testing.assert_close(model.decoder(mean), twin.decode(mean))


def test_default_model_has_as_many_weights_as_the_tutorials() -> None:
    recipe = tiny_params(image_size=32, latent_dim=128, base_channels=16).of_model()
    model = build_autoencoder(recipe)
    count = sum(weight.numel() for weight in model.parameters())
    assert count == sum(weight.numel() for weight in TutorialVAE(recipe, nn.Tanh()).parameters()) == 476_353


@pytest.mark.parametrize(("channels", "outputs", "size"), [(3, 7, 4), (8, 2, 2), (1, 1, 1)])
def test_whole_image_convolution_equals_torchs(channels: int, outputs: int, size: int) -> None:
    torch.manual_seed(0)
    layer, images = WholeImageConv2d(channels, outputs, size), torch.randn(5, channels, size, size)
    convolution = nn.Conv2d(channels, outputs, size)
    convolution.load_state_dict(layer.convolution.state_dict())
    torch.testing.assert_close(layer(images), convolution(images)[:, :, 0, 0])


@pytest.mark.parametrize(("dimensions", "outputs", "size"), [(3, 7, 4), (8, 2, 2), (1, 1, 1)])
def test_transposed_whole_image_convolution_equals_torchs(dimensions: int, outputs: int, size: int) -> None:
    torch.manual_seed(0)
    layer, codes = WholeImageConvTranspose2d(dimensions, outputs, size), torch.randn(5, dimensions)
    convolution = nn.ConvTranspose2d(dimensions, outputs, size, bias=False)
    convolution.load_state_dict(layer.convolution.state_dict())
    torch.testing.assert_close(layer(codes), convolution(codes[:, :, None, None]))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("layer", "convolution", "shape"),
    [
        (WholeImageConv2d(3, 7, 4), nn.Conv2d(3, 7, 4), (5, 3, 4, 4)),
        (FirstConv2d(6), nn.Conv2d(1, 6, 4, stride=2, padding=1, bias=False), (5, 1, 8, 8)),
        (LastConvTranspose2d(6), nn.ConvTranspose2d(6, 1, 4, stride=2, padding=1), (5, 6, 4, 4)),
    ],
    ids=["whole", "first", "last"],
)
def test_layer_is_torchs_with_its_gradients(
    layer: WholeImageConv2d | FirstConv2d | LastConvTranspose2d,
    convolution: nn.Module,
    shape: tuple[int, ...],
    memory_format: torch.memory_format,
) -> None:
    torch.manual_seed(0)
    convolution.load_state_dict(layer.convolution.state_dict())
    images = torch.randn(shape).contiguous(memory_format=memory_format).requires_grad_()
    twins = images.detach().clone().requires_grad_()
    found, expected = layer(images), convolution(twins)
    torch.testing.assert_close(found.reshape(expected.shape), expected)
    noise = torch.randn_like(expected)
    pairs = zip([images, *layer.parameters()], [twins, *convolution.parameters()], strict=True)
    (found.reshape(expected.shape) * noise).sum().backward()
    (expected * noise).sum().backward()
    for one, other in pairs:
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-4)
        one.grad = other.grad = None


def test_images_between_the_convolutions_have_their_channels_last() -> None:
    # Else oneDNN's convolutions, and torch's batch norm, take half as long again.
    model, seen = tiny_model(image_size=32), []
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.terms(tiny_images(5, size=32), torch.zeros(5, 3))
    assert len(seen) == 6
    assert all(images.is_contiguous(memory_format=torch.channels_last) for images in seen)
