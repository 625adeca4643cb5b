"""Batch norm over the images of all ranks, on every device: torch's own SyncBatchNorm is for GPUs alone."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnist_vae.training.collectives import sum_over_ranks


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """Batch norm (Ioffe & Szegedy 2015) by the mean and variance of a batch that is shared out among the ranks.

    So it computes what nn.BatchNorm2d does in one process with the whole batch, but for rounding, and its running
    statistics are the same on all ranks. A rank may have one image of the batch, or none.
    """

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:  # noqa: A002 (as in the base class)
        if not self.training:
            return super().forward(input)
        pixels = torch.full((1,), input[:, 0].numel(), dtype=input.dtype, device=input.device)
        *sums, count = sum_over_ranks(torch.cat([input.sum(dim=(0, 2, 3)), pixels])).split([self.num_features, 1])
        mean = sums[0] / count
        # In a second pass: the mean of squares less the square of the mean would lose digits.
        centred = input - mean[:, None, None]
        variance = sum_over_ranks(centred.square().sum(dim=(0, 2, 3))) / count
        self._track(mean.detach(), (variance * count / (count - 1)).detach())
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale[:, None, None] + self.bias[:, None, None]

    def _track(self, mean: Float[Tensor, " C"], variance: Float[Tensor, " C"]) -> None:
        for running, value in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None and self.momentum is not None:
                running.lerp_(value, self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


def use_global_batch_norm(model: nn.Module) -> None:
    """Put a GlobalBatchNorm2d with the same tensors in the place of every batch norm."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.BatchNorm2d:
                norm = GlobalBatchNorm2d(child.num_features, child.eps, child.momentum)
                norm.weight, norm.bias = child.weight, child.bias
                norm.running_mean, norm.running_var = child.running_mean, child.running_var
                norm.num_batches_tracked = child.num_batches_tracked
                setattr(parent, name, norm)
