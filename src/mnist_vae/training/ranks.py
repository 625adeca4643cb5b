"""The processes that train one model: which of them has what of a batch, and what they compute together.

Training and evaluation ask one of the two classes here, and do not know which.
"""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from mnist_vae.console.stage import Terminated, UserError
from mnist_vae.model.autoencoder import Autoencoder
from mnist_vae.model.loss import Terms
from mnist_vae.training.collectives import average_in_order_of_ranks, is_lost_connection, share_tensors, sum_over_ranks
from mnist_vae.training.global_batch_norm import use_global_batch_norm
from mnist_vae.training.rank_process import complaint_of_another, open_store

_Item = TypeVar("_Item")
_Tensors = tuple[Tensor, ...]


class OneProcess:
    """The only process: every batch is its own. No process group is made."""

    rank = 0

    def replicate(self, model: Autoencoder) -> Callable[..., Terms]:
        """The model's `terms`, from whose loss gradients flow to the model's weights."""
        return model.terms

    def shard(self, batch: Tensor) -> Tensor:
        """The part of a batch that this rank computes with, along its first dimension."""
        return batch

    def loss(self, losses: Float[Tensor, " B"], images: int) -> Float[Tensor, ""]:  # noqa: ARG002
        """The mean loss of a batch of that many images, as far as this rank contributes to its gradient."""
        return losses.mean()

    def means(self, terms: Terms) -> Terms:
        """The means over the images of all ranks."""
        return Terms(*(term.detach().mean() for term in terms))

    def each(self, items: Sequence[_Item], compute: Callable[[_Item], _Tensors]) -> Iterator[_Tensors]:
        """What `compute` makes of each item, in the order of items."""
        return map(compute, items)

    def share(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of the first rank."""
        return tensors

    def require_same(self, what: str, value: str) -> None:
        """Raise UserError on a rank that has another value than the first one."""

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block in which the end of another rank ends this one, by the UserError that ended that or Terminated."""
        yield


class Ranks:
    """One of several processes that train by DistributedDataParallel, joined in torch's default process group.

    Each has a part of every batch, of the same size or one image less, so a batch is that of one process, and so is
    the mean that the gradient is taken of. The sums are added in the order of ranks, so their bits are the same each
    time for a given number of them. For what the methods do, see OneProcess.
    """

    def __init__(self, device: torch.device):
        self.rank, self._count, self._device = distributed.get_rank(), distributed.get_world_size(), device

    def replicate(self, model: Autoencoder) -> Callable[..., Terms]:
        """As above; batch norm and free bits take their statistics from the whole batch (see GlobalBatchNorm2d)."""
        use_global_batch_norm(model)
        model.objective = model.objective._replace(batch_mean=self._batch_mean)
        replica = DistributedDataParallel(_TermsOf(model), forward_sync_buffers=False)
        replica.register_comm_hook(self._count, average_in_order_of_ranks)
        return replica

    def shard(self, batch: Tensor) -> Tensor:
        return batch.tensor_split(self._count)[self.rank]

    def loss(self, losses: Float[Tensor, " B"], images: int) -> Float[Tensor, ""]:
        # Not the mean of this rank's images: DistributedDataParallel weighs all ranks alike, however many those are.
        return losses.sum() * (self._count / images)

    def means(self, terms: Terms) -> Terms:
        images = torch.full_like(terms.loss[:0].sum(), len(terms.loss))
        sums = torch.stack([*(term.detach().sum() for term in terms), images]).to(self._device)
        distributed.all_reduce(sums)
        return Terms(*(sums[:-1] / sums[-1]))

    def each(self, items: Sequence[_Item], compute: Callable[[_Item], _Tensors]) -> Iterator[_Tensors]:
        for start in range(0, len(items), self._count):
            turn = items[start : start + self._count]  # an item for each rank
            mine = compute(turn[self.rank]) if self.rank < len(turn) else ()
            named = {f"{number:03d}": tensor for number, tensor in enumerate(mine)}
            for owner in range(len(turn)):
                shared = share_tensors(named, owner, self._device)
                yield tuple(shared[name] for name in sorted(shared))

    def share(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return share_tensors(tensors, 0, self._device)

    def require_same(self, what: str, value: str) -> None:
        store = open_store()
        if self.rank == 0:
            store.set(what, value)
        elif store.get(what).decode() != value:
            raise UserError(f"process {self.rank} of {self._count} has {what} other than process 0: make them equal")

    @contextmanager
    def together(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            # As soon as one rank has ended the launcher ends the others. This one is about to end by itself.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            if isinstance(error, Terminated) or is_lost_connection(error):
                if (complaint := complaint_of_another()) is not None:
                    raise UserError(complaint) from None
                raise Terminated from None
            raise

    def _batch_mean(self, values: Float[Tensor, "B D"]) -> Float[Tensor, " D"]:
        images = torch.full((1,), len(values), dtype=values.dtype, device=values.device)
        sums = sum_over_ranks(torch.cat([values.sum(dim=0), images]))
        return sums[:-1] / sums[-1]


class _TermsOf(nn.Module):
    # DistributedDataParallel wraps what `forward` computes.
    def __init__(self, model: Autoencoder):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, noise: Tensor, rate_share: float) -> Terms:
        return self.model.terms(images, noise, rate_share)
