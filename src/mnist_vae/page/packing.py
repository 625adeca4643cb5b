"""Numbers as text for the page: weights in fewer bits, arrays and images as base64."""

import base64
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mnist_vae.page.export import Operation, Pointwise, Reshape, UnsupportedLayerError, Weighted

CHARACTERS = {"float16": 8 / 3, "int8": 4 / 3, "int6": 1}  # of base64 that a weight takes in each format
_LARGEST = {"int8": 127, "int6": 31}  # both are symmetrical around 0
_LONGEST_RUN = 255
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def count_weights(operations: Sequence[Operation]) -> int:
    """How many weights the page holds of them, biases aside."""
    return sum(_live_weights(op).numel() for op in operations if isinstance(op, Weighted))


def quantise(operations: Sequence[Operation], form: str) -> list[Operation]:
    """The operations with their weights as they are after a way through float16, or int8 or int6 with a scale for each
    output.

    Raises UnsupportedLayerError for weights that float16 does not hold.
    """
    return [_quantise(op, form) if isinstance(op, Weighted) else op for op in operations]


def pack(operations: Sequence[Operation], form: str) -> list[dict]:
    """The operations for the page, as JSON; weights in the order live tap, output, input."""
    return [_pack(op, form) for op in operations]


def encode_array(array: np.ndarray) -> str:
    """The bytes of an array, little-endian, as base64."""
    return base64.b64encode(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()).decode()


def encode_images(images: UInt8[np.ndarray, "N S S"]) -> str:
    """Grey levels as base64, each run of black as a 0 and its length: a third of the bytes, exactly."""
    levels = images.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], levels == 0, [False]]).astype(np.int8)))
    content, end = bytearray(), 0
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        content += levels[end:start].tobytes()
        whole, rest = divmod(stop - start, _LONGEST_RUN)
        content += bytes([0, _LONGEST_RUN]) * whole + (bytes([0, rest]) if rest else b"")
        end = stop
    return base64.b64encode(bytes(content + levels[end:].tobytes())).decode()


def _live_weights(operation: Weighted) -> Float[Tensor, "taps O I"]:
    return torch.stack([operation.weight[:, :, row, column] for row, column in operation.live_taps()])


def _scales(operation: Weighted, form: str) -> Float[Tensor, " O"]:
    greatest = _live_weights(operation).abs().amax(dim=(0, 2))
    return greatest.clamp(min=torch.finfo(torch.float32).tiny) / _LARGEST[form]


def _quantise(operation: Weighted, form: str) -> Weighted:
    if form == "float16":
        weight = operation.weight.half().float()
        if not weight.isfinite().all():
            raise UnsupportedLayerError("a weight is beyond the numbers that float16 holds")
    else:
        scale, largest = _scales(operation, form)[:, None, None, None], _LARGEST[form]
        weight = (operation.weight / scale).round().clamp(-largest, largest) * scale
    return replace(operation, weight=weight)


def _pack(operation: Operation, form: str) -> dict:
    match operation:
        case Pointwise():
            return {"kind": operation.kind} | ({"slope": operation.slope} if operation.kind == "leaky_relu" else {})
        case Reshape():
            return {"kind": "reshape", "input": operation.input_shape, "output": operation.output_shape}
    packed = {
        "kind": operation.kind,
        "input": operation.input_shape,
        "output": operation.output_shape,
        "taps": operation.live_taps(),
        "stride": operation.stride,
        "padding": operation.padding,
        "bias": encode_array(operation.bias.numpy()),
    }
    weights = _live_weights(operation)
    if form == "float16":
        return packed | {"float16": encode_array(weights.half().numpy())}
    scale = _scales(operation, form)
    whole = (weights / scale[None, :, None]).round().numpy().astype(np.int8)
    text = encode_array(whole) if form == "int8" else _encode_six_bits(whole)
    return packed | {form: text, "scale": encode_array(scale.numpy())}


def _encode_six_bits(values: np.ndarray) -> str:
    """Whole numbers from -32 to 31, each as the one letter that base64 has for it as an unsigned number."""
    letters = np.frombuffer(_BASE64.encode(), np.uint8)
    return letters[values.ravel() & 63].tobytes().decode()
