"""What the ranks of torch's default process group compute and send together."""

from functools import partial
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, distributed
from torch.distributed import GradBucket  # pyright: ignore[reportPrivateImportUsage]


def sum_over_ranks(part: Tensor) -> Tensor:
    """The sum of all ranks' tensors, on each of them, through which gradients flow back to every rank."""
    return _SumOverRanks.apply(part)  # pyright: ignore[reportReturnType] (torch gives it no type)


def average_in_order_of_ranks(count: int, bucket: GradBucket):  # (torch's type for its result fits no other)
    """The mean of so many ranks' gradients, for DistributedDataParallel.

    An all-reduce adds in an order that depends on a gradient's place in its bucket, and the buckets are filled anew
    after the first step: with three ranks or more, a training that goes on would get other bits.
    """
    mine = bucket.buffer()
    parts = [torch.empty_like(mine) for _ in range(count)]
    gathered = distributed.all_gather(parts, mine, async_op=True)
    if gathered is None:
        raise RuntimeError("this process is no rank of the group")
    return gathered.get_future().then(partial(_mean_of, parts))


def share_tensors(tensors: dict[str, Tensor], owner: int, device: torch.device) -> dict[str, Tensor]:
    """The tensors of the owner, on all ranks, on the CPU; they travel by way of the device.

    As safetensors, because torch's own way of sending what is no single tensor unpickles it.
    """
    content = save({name: tensor.contiguous().cpu() for name, tensor in tensors.items()})
    size = torch.tensor([len(content)], device=device)
    distributed.broadcast(size, owner)
    sent = torch.empty(int(size), dtype=torch.uint8, device=device)
    if distributed.get_rank() == owner:
        sent.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    distributed.broadcast(sent, owner)
    return load(sent.cpu().numpy().tobytes())


def is_lost_connection(error: BaseException) -> bool:
    """Whether an operation failed because another rank has ended."""
    # gloo's errors have no type of their own.
    return isinstance(error, distributed.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:  # noqa: ARG004 (torch's own class)
        total = part.contiguous().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:  # noqa: ARG004
        # Each rank's loss depends on the sum, and so on this rank's part of it.
        return _SumOverRanks.apply(*grad_outputs)  # pyright: ignore[reportReturnType]


def _mean_of(parts: list[Tensor], _: object) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total / len(parts)
