"""The page's operations against the networks that they come from, and against convolutions by their definition."""

import base64

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mnist_vae.model.autoencoder import Autoencoder
from mnist_vae.page.export import Pointwise, Reshape, UnsupportedLayerError, Weighted, export, run
from mnist_vae.page.packing import pack, quantise
from page_runs import KINDS, scattered_model

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def _floats(text: str, kind: str = "<f4") -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind).astype(np.float64)


def _weights(layer: dict) -> np.ndarray:
    """The weights (taps, outputs, inputs) of a packed layer, by the format's description."""
    shape = len(layer["taps"]), layer["output"][0], layer["input"][0]
    if "float16" in layer:
        return _floats(layer["float16"], "<f2").reshape(shape)
    if "int8" in layer:
        whole = _floats(layer["int8"], "i1")
    else:
        places = [LETTERS.index(letter) for letter in layer["int6"]]
        whole = np.array([place - 64 if place > 31 else place for place in places], float)
    return whole.reshape(shape) * _floats(layer["scale"])[None, :, None]


def _convolve(layer: dict, image: np.ndarray) -> np.ndarray:
    """The definition, pixel by pixel: y[p] = b + Σ W x[p·stride − padding + tap], or the transposed of that."""
    weights, result = _weights(layer), np.zeros(layer["output"])
    transposed = layer["kind"] == "transposed_conv"
    small = (image if transposed else result).shape[1:]
    large = (result if transposed else image).shape[1:]
    for tap, offsets in enumerate(layer["taps"]):
        for near in np.ndindex(*small):
            far = tuple(n * layer["stride"] - layer["padding"] + o for n, o in zip(near, offsets, strict=True))
            if any(not 0 <= place < side for place, side in zip(far, large, strict=True)):
                continue
            source, target = (near, far) if transposed else (far, near)
            result[:, *target] += weights[tap] @ image[:, *source]
    return result + _floats(layer["bias"])[:, None, None]


def _compute(layers: list[dict], values: np.ndarray) -> np.ndarray:
    for layer in layers:
        match layer["kind"]:
            case "linear" | "conv" | "transposed_conv":
                values = _convolve(layer, values.reshape(layer["input"]))
            case "reshape":
                values = values.reshape(layer["output"])
            case "relu":
                values = np.maximum(values, 0)
            case "leaky_relu":
                values = np.where(values > 0, values, layer["slope"] * values)
            case "tanh":
                values = np.tanh(values)
            case "silu":
                values = values / (1 + np.exp(-values))
            case "sigmoid":
                values = 1 / (1 + np.exp(-values))
    return values


def _inputs(name: str) -> tuple[Autoencoder, Tensor, Tensor]:
    model = scattered_model(**KINDS[name])
    size, dimensions = KINDS[name].get("image_size", 16), KINDS[name].get("latent_dim", 3)
    source = torch.Generator().manual_seed(1)
    return model, torch.rand(3, 1, size, size, generator=source), torch.randn(3, dimensions, generator=source)


@pytest.mark.parametrize("name", KINDS)
def test_operations_give_what_the_networks_give(name: str) -> None:
    model, images, codes = _inputs(name)
    with torch.inference_mode():
        for network, values in (model.encoder, images), (model.decoder, codes):
            operations = export(network, values)
            torch.testing.assert_close(run(operations, values), network(values), rtol=1e-4, atol=1e-4)
            assert {type(one) for one in operations} <= {Weighted, Pointwise, Reshape}


@pytest.mark.parametrize("form", ["float16", "int8", "int6"])
@pytest.mark.parametrize("name", ["conv of two levels, 28x28", "deep", "mlp of three layers, Bernoulli"])
def test_packed_layers_are_the_quantised_ones_by_the_definition_of_a_convolution(name: str, form: str) -> None:
    model, images, codes = _inputs(name)
    for network, values in (model.encoder, images[:1]), (model.decoder, codes[:1]):
        operations = export(network, values)
        expected = run(quantise(operations, form), values)[0].numpy()
        computed = _compute(pack(operations, form), values[0].numpy().astype(np.float64))
        np.testing.assert_allclose(computed.reshape(expected.shape), expected, rtol=1e-4, atol=1e-4)


def test_kernel_taps_that_only_meet_padding_are_left_out_without_effect() -> None:
    for layer in (
        nn.Conv2d(3, 2, 3, stride=2, padding=1),
        nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1),
    ):
        size = 2 if isinstance(layer, nn.Conv2d) else 1
        values = torch.randn(1, 3, size, size)
        (operation,) = export(layer, values)
        assert isinstance(operation, Weighted)
        assert operation.live_taps() == [(1, 1), (1, 2), (2, 1), (2, 2)]
        with torch.no_grad():
            before = layer(values)
            layer.weight[:, :, 0] = layer.weight[:, :, :, 0] = 99
            torch.testing.assert_close(layer(values), before)


class _WithSkip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, values: Tensor) -> Tensor:
        return values + self.layer(values)


@pytest.mark.parametrize(
    ("network", "values", "says"),
    [
        (nn.Sequential(nn.Linear(3, 2), nn.GELU()), torch.ones(1, 3), r"the page has no GELU \(layer 1\)"),
        (nn.Sequential(nn.Conv2d(2, 2, 1, groups=2)), torch.ones(1, 2, 2, 2), "groups=2"),
        (nn.Sequential(nn.Conv2d(1, 1, 2, stride=(1, 2))), torch.ones(1, 1, 4, 4), "stride"),
        (nn.Sequential(nn.Conv2d(1, 1, 3, padding="same")), torch.ones(1, 1, 4, 4), "the page has no Conv2d"),
        (nn.Sequential(nn.BatchNorm2d(1)).eval(), torch.ones(1, 1, 2, 2), "batch norm 0 follows no layer"),
        (_WithSkip(), torch.ones(1, 3), "more than its layers one after the other"),
    ],
)
def test_network_that_the_page_cannot_compute_is_refused_with_its_reason(
    network: nn.Module, values: Tensor, says: str
) -> None:
    with pytest.raises(UnsupportedLayerError, match=says):
        export(network, values)


def test_batch_norm_without_weights_of_its_own_is_folded_in() -> None:
    norm = nn.BatchNorm2d(2, affine=False)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(torch.tensor([1.0, -2.0]))
    norm.running_var.copy_(torch.tensor([1e-6, 3.0]))  # the first one below ε
    network = nn.Sequential(nn.Conv2d(1, 2, 2), norm, nn.ReLU()).eval()
    values = torch.randn(2, 1, 3, 3)
    operations = export(network, values)
    assert [type(one) for one in operations] == [Weighted, Pointwise]
    torch.testing.assert_close(run(operations, values), network(values))
