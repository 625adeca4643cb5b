"""What every network must do. A new one is one line in NETWORKS_HERE."""

from typing import NamedTuple

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from builders import PLAIN, tiny_images, tiny_model, tiny_params
from mnist_vae.common.params import ModelParams, load_params
from mnist_vae.model.networks import NETWORKS
from places import REPOSITORY

DEFAULTS = load_params(REPOSITORY / "params.yaml").of_model()


class Expected(NamedTuple):
    """Of the image sizes 28, 32 and 64 those that a network takes; its weights as a VAE of 32×32 pixels and 128
    dimensions. Both for the widths in params.yaml.
    """

    sizes: set[int]
    weights: int


NETWORKS_HERE = {
    "conv": Expected({32, 64}, 476_353),
    "conv_dense": Expected({32, 64}, 1_330_081),
    "deep": Expected({32, 64}, 3_343_617),
    "mlp": Expected({28, 32, 64}, 1_247_488),
}
TAKEN = [(network, size) for network, expected in NETWORKS_HERE.items() for size in sorted(expected.sizes)]
REFUSED = [(network, size) for network, expected in NETWORKS_HERE.items() for size in {28, 32, 64} - expected.sizes]


def _widths(network: str, **changes: object) -> ModelParams:
    widths = {name: getattr(DEFAULTS, name) for name in ("conv_channels", "deep_channels", "mlp_widths")}
    return tiny_params(network=network, **widths, **changes).of_model()


def _weights(network: str, params: ModelParams, outputs: int) -> int:
    modules = _encoder(network, params, outputs), _decoder(network, params, nn.Tanh)
    return sum(weight.numel() for module in modules for weight in module.parameters())


def _encoder(network: str, params: ModelParams, outputs: int) -> nn.Module:
    options = [getattr(params, name) for name in NETWORKS[network].options]
    return NETWORKS[network].encoder(params.image_size, params.widths, outputs, *options)


def _decoder(network: str, params: ModelParams, activation: type[nn.Module]) -> nn.Module:
    options = [getattr(params, name) for name in NETWORKS[network].options]
    return NETWORKS[network].decoder(params.image_size, params.widths, params.latent_dim, activation, *options)


def test_all_networks_are_tested() -> None:
    assert NETWORKS_HERE.keys() == NETWORKS.keys()


@pytest.mark.parametrize(("network", "size"), TAKEN)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_output_has_the_inputs_shape(network: str, size: int, training: bool) -> None:  # noqa: FBT001
    params = _widths(network, image_size=size, latent_dim=5)
    images = torch.rand(3, 1, size, size, generator=torch.Generator().manual_seed(0))
    codes = _encoder(network, params, 7).train(training)(images)
    assert codes.shape == (3, 7)
    assert _decoder(network, params, nn.Tanh).train(training)(codes[:, :5]).shape == images.shape


@pytest.mark.parametrize(("network", "size"), REFUSED)
def test_image_size_that_a_network_does_not_take_is_refused_by_name(network: str, size: int) -> None:
    with pytest.raises(ValidationError, match=f"image_size is {size}, but network {network} needs a multiple of"):
        _widths(network, image_size=size)


@pytest.mark.parametrize("network", NETWORKS_HERE)
def test_default_widths_give_the_known_number_of_weights(network: str) -> None:
    params = _widths(network, image_size=32, latent_dim=128)
    assert _weights(network, params, outputs=256) == NETWORKS_HERE[network].weights


@pytest.mark.parametrize(
    ("network", "changes"),
    [("conv", {"conv_channels": [3, 4]}), ("deep", {"deep_channels": [2, 4]}), ("mlp", {"mlp_widths": [5, 4]})],
)
def test_network_uses_its_own_widths_and_ignores_those_of_other_networks(network: str, changes: dict) -> None:
    plain = _weights(network, tiny_params(network=network).of_model(), 6)
    assert _weights(network, tiny_params(network=network, **changes).of_model(), 6) != plain
    for other in NETWORKS_HERE.keys() - {network, "conv_dense"}:  # which has the convolutions' and the layers'
        params = tiny_params(network=other).of_model()
        assert _weights(other, tiny_params(network=other, **changes).of_model(), 6) == _weights(other, params, 6)


@pytest.mark.parametrize(("activation", "low", "high"), [(nn.Tanh, -1.0, 1.0), (nn.Sigmoid, 0.0, 1.0)])
@pytest.mark.parametrize("network", NETWORKS_HERE)
def test_decoded_images_have_the_range_of_the_activation(
    network: str, activation: type[nn.Module], low: float, high: float
) -> None:
    torch.manual_seed(0)
    decoder = _decoder(network, _widths(network, image_size=32), activation)
    with torch.no_grad():
        images = decoder(1000 * torch.randn(20, 3))
    assert low <= float(images.min()) < (low + high) / 2 < float(images.max()) <= high


@pytest.mark.parametrize("changes", [{}, PLAIN], ids=["variational", "plain"])
@pytest.mark.parametrize("network", NETWORKS_HERE)
def test_loss_reaches_every_weight(network: str, changes: dict) -> None:
    model = tiny_model(network=network, deep_channels=[4, 4], mlp_widths=[16], conv_channels=[4, 8, 16], **changes)
    noise = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    model.terms(tiny_images(20), noise).loss.mean().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert float(weight.grad.abs().max()) > 0, name


@pytest.mark.parametrize("network", NETWORKS_HERE)
def test_last_batch_of_a_single_image_can_be_trained_on(network: str) -> None:
    model = tiny_model(network=network, deep_channels=[2, 2, 2])
    loss = model.train().terms(tiny_images(1), torch.zeros(1, 3)).loss
    assert loss.isfinite().all()


# With 100 for validation the digits leave 1337 images: with batches of 8 the last one has a single image.
@pytest.mark.parametrize("batch_size", [1, 8])
def test_batch_norm_of_a_single_pixel_is_refused_by_name(batch_size: int) -> None:
    levels = {"network": "deep", "deep_channels": [2, 2, 2, 2], "validation_size": 100}
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}, which leaves a last batch of one image"):
        tiny_params(**levels, batch_size=batch_size)
    tiny_params(**levels, batch_size=10)
