"""A network as a list of plain operations with their weights, batch norm folded in, as the page computes it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_CLOSE = 1e-3  # relative: folding moves roundings, a layer that is missing or out of order does far more


class UnsupportedLayerError(Exception):
    """A network that the page cannot compute. Its text says why."""


@dataclass(frozen=True)
class Weighted:
    """A linear layer, convolution or transposed convolution.

    Linear layers are convolutions of one pixel. `weight` is (outputs, inputs, height, width) for all three kinds.
    """

    kind: str  # linear, conv, transposed_conv
    weight: Float[Tensor, "O I H W"]
    bias: Float[Tensor, " O"]
    input_shape: tuple[int, int, int]
    output_shape: tuple[int, int, int]
    stride: int = 1
    padding: int = 0

    def apply(self, values: Tensor) -> Tensor:
        """The layer of a batch, by torch."""
        if self.kind == "linear":
            return functional.linear(values, self.weight[:, :, 0, 0], self.bias)
        if self.kind == "conv":
            return functional.conv2d(values, self.weight, self.bias, self.stride, self.padding)
        _, rows, columns = self.input_shape
        least = [
            (side - 1) * self.stride - 2 * self.padding + kernel
            for side, kernel in zip((rows, columns), self.weight.shape[2:], strict=True)
        ]
        more = [side - smallest for side, smallest in zip(self.output_shape[1:], least, strict=True)]
        weight = self.weight.transpose(0, 1)
        return functional.conv_transpose2d(values, weight, self.bias, self.stride, self.padding, more)

    def live_taps(self) -> list[tuple[int, int]]:
        """Rows and columns of the kernel that ever meet a pixel: on maps of a pixel or two many meet padding alone."""
        rows, columns = (
            [tap for tap in range(self.weight.shape[2 + axis]) if self._meets(tap, axis + 1)] for axis in (0, 1)
        )
        return [(row, column) for row in rows for column in columns]

    def _meets(self, tap: int, axis: int) -> bool:
        near, far = self.input_shape[axis], self.output_shape[axis]
        if self.kind == "transposed_conv":
            near, far = far, near
        return any(0 <= place * self.stride - self.padding + tap < near for place in range(far))


@dataclass(frozen=True)
class Pointwise:
    """A function of each value: relu, leaky_relu (with its slope below 0), silu, tanh or sigmoid."""

    kind: str
    slope: float = 0.0

    def apply(self, values: Tensor) -> Tensor:
        """The function of a batch, by torch."""
        if self.kind == "leaky_relu":
            return functional.leaky_relu(values, self.slope)
        if self.kind == "silu":
            return functional.silu(values)
        return getattr(torch, self.kind)(values)


@dataclass(frozen=True)
class Reshape:
    """The values of an image (channels, height, width) as a vector, or of a vector as an image, in torch's order."""

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    def apply(self, values: Tensor) -> Tensor:
        """The batch in its new shape."""
        return values.reshape(-1, *self.output_shape)


Operation = Weighted | Pointwise | Reshape


def export(network: nn.Module, example: Float[Tensor, "B ..."]) -> list[Operation]:
    """The operations of a network in evaluation mode, from its layers in their order.

    `example` is a batch of its input, by which the operations are compared with the network. Raises
    UnsupportedLayerError for a layer that has no operation, or if the network does not pass from layer to layer.
    """
    operations: list[Operation] = []
    with torch.inference_mode():
        values = example
        for name, layer in _layers(network):
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                operations[-1:] = [_fold(operations[-1] if operations else None, layer, name)]
                values = layer(values)
                continue
            before, values = values, layer(values)
            operations.append(_operation(layer, name, tuple(before.shape[1:]), tuple(values.shape[1:])))
        expected, off = network(example), run(operations, example)
    if expected.shape != off.shape or (expected - off).abs().max() > _CLOSE * (1 + expected.abs().max()):
        raise UnsupportedLayerError(f"{type(network).__module__} is more than its layers one after the other")
    return operations


def run(operations: list[Operation], values: Tensor) -> Tensor:
    """What the operations make of a batch, by torch."""
    for operation in operations:
        values = operation.apply(values)
    return values


def _layers(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, layer in network.named_modules():
        if next(layer.children(), None) is None and not isinstance(layer, nn.Identity | nn.Dropout):
            yield name, layer


def _operation(layer: nn.Module, name: str, before: tuple[int, ...], after: tuple[int, ...]) -> Operation:
    match layer:
        case nn.Linear():
            weight = layer.weight.detach().float()[:, :, None, None]
            shapes = (weight.shape[1], 1, 1), (weight.shape[0], 1, 1)
            return Weighted("linear", weight, _bias(layer.bias, weight), *shapes)
        case nn.Conv2d() | nn.ConvTranspose2d():
            return _convolution(layer, name, before, after)
        case nn.ReLU():
            return Pointwise("relu")
        case nn.LeakyReLU():
            return Pointwise("leaky_relu", layer.negative_slope)
        case nn.SiLU() | nn.Tanh() | nn.Sigmoid():
            return Pointwise(type(layer).__name__.lower())
        case nn.Flatten() | nn.Unflatten():
            return Reshape(before, after)
    raise UnsupportedLayerError(f"the page has no {type(layer).__name__} (layer {name})")


def _convolution(
    layer: nn.Conv2d | nn.ConvTranspose2d, name: str, before: tuple[int, ...], after: tuple[int, ...]
) -> Weighted:
    square = len({*layer.stride}) == 1 and len({*layer.padding}) == 1 and layer.padding_mode == "zeros"
    if not square or isinstance(layer.padding, str) or layer.groups != 1 or {*layer.dilation} != {1}:
        raise UnsupportedLayerError(f"the page has no {layer} (layer {name})")
    transposed = isinstance(layer, nn.ConvTranspose2d)
    weight = layer.weight.detach().float()
    weight = weight.transpose(0, 1) if transposed else weight
    kind, (inputs, *sides), (outputs, *far_sides) = "transposed_conv" if transposed else "conv", before, after
    shapes = (inputs, sides[0], sides[1]), (outputs, far_sides[0], far_sides[1])
    return Weighted(kind, weight, _bias(layer.bias, weight), *shapes, layer.stride[0], int(layer.padding[0]))


def _bias(bias: Tensor | None, weight: Tensor) -> Tensor:
    return torch.zeros(len(weight)) if bias is None else bias.detach().float()


def _fold(operation: Operation | None, norm: nn.BatchNorm1d | nn.BatchNorm2d, name: str) -> Weighted:
    """The operation followed by the batch norm's y = (x − mean) / √(variance + ε) · weight + bias of each channel."""
    if not isinstance(operation, Weighted) or norm.running_mean is None or norm.running_var is None:
        raise UnsupportedLayerError(f"batch norm {name} follows no layer with weights, or keeps no statistics")
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    shift = -norm.running_mean.double() * scale
    if norm.affine:
        scale, shift = scale * norm.weight.double(), shift * norm.weight.double() + norm.bias.double()
    weight = (operation.weight.double() * scale[:, None, None, None]).float()
    return replace(operation, weight=weight, bias=(operation.bias.double() * scale + shift).float())
