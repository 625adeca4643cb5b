"""The numbers that a training computes with: float32, or faster ones with a shorter mantissa."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from mnist_vae.console.stage import UserError

Context = Callable[[], AbstractContextManager]


def use_precision(name: str, device: torch.device) -> Context:
    """Make torch multiply in that precision on the device, and return the context for the steps of a training.

    float32 is all of float32. tf32 multiplies with 10 bits of mantissa, and bfloat16 computes layers, but neither the
    loss nor the weights, with 7. Raises UserError for tf32 on a device that lacks it.
    """
    if name == "tf32" and device.type != "cuda":
        raise UserError(f"precision is tf32, which {device.type} lacks: set precision to float32 or bfloat16")
    # torch's own default is tf32 for convolutions, and not for matrix products.
    short = "tf32" if name == "tf32" else "ieee"
    cudnn: Any = torch.backends.cudnn  # whose parts pyright does not see
    for operations in (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn):
        operations.fp32_precision = short
    if name != "bfloat16":
        return nullcontext
    # Weights are cast in each step: one cast that is kept could not be part of a CUDA graph.
    return lambda: torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


def is_emulated(name: str, device: torch.device) -> bool:
    """Whether the device computes in that precision, but by way of float32, so more slowly than in float32."""
    return name == "bfloat16" and device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()  # noqa: SLF001 (it has no public name)
