"""Several processes that train one model: torchrun's launcher, DistributedDataParallel, SyncBatchNorm.

`batch_size` is the size of the whole batch. Each rank gets a shard of every batch. The shards' sizes differ by at most
one image. The gradient equals that of one process except for rounding.
"""

import ctypes
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

import mnist_vae
from mnist_vae.console.stage import Terminated, UserError, machine_complaint
from mnist_vae.model.autoencoder import Autoencoder
from mnist_vae.model.loss import Terms

_TOLD = "UserError: "  # the beginning of a message in which `record` keeps a UserError
_STORE = "MNIST_VAE_STORE"  # names the file through which ranks on one machine find each other


@dataclass(frozen=True)
class Ranks:
    """The rank of this process among those that train one model. The default is a training in a single process."""

    rank: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_main(self) -> bool:
        """Whether this is the main process. Only the main process prints, validates, tracks and writes."""
        return self.rank == 0

    def replicate(self, model: Autoencoder) -> Callable[..., Terms]:
        """The model's `terms` with gradients, batch norm and free nats computed over the whole batch."""
        if self.count == 1:
            return model.terms
        model.objective = model.objective._replace(batch_mean=lambda kl: self._batch_mean(kl, model.training))
        if self.device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(model)
        else:
            _use_global_batch_norm(model)
        return DistributedDataParallel(_TermsOf(model), forward_sync_buffers=False)

    def shard(self, batch: Tensor) -> Tensor:
        """The part of a batch that this rank computes with, along its first dimension."""
        return batch.tensor_split(self.count)[self.rank]

    def loss(self, losses: Float[Tensor, " B"], batch_size: int) -> Float[Tensor, ""]:
        """A rank's part of the mean loss of a batch of that size: its average over the ranks is the mean loss."""
        # DistributedDataParallel averages over the ranks, although they may have different numbers of images.
        return losses.mean() if self.count == 1 else losses.sum() * (self.count / batch_size)

    def mean_terms(self, terms: Terms, batch_size: int) -> Float[Tensor, "3"]:
        """The mean terms of a batch of that size, over the images of all ranks."""
        if self.count == 1:
            return torch.stack([term.detach().mean() for term in terms])
        sums = torch.stack([term.detach().sum() for term in terms])
        distributed.all_reduce(sums)
        return sums / batch_size

    def broadcast(self, content: bytes) -> bytes:
        """The main process's bytes, on all ranks."""
        if self.count == 1:
            return content
        size = torch.tensor([len(content)], device=self.device)
        distributed.broadcast(size, 0)
        sent = torch.zeros(int(size), dtype=torch.uint8, device=self.device)
        if self.is_main and content:
            sent.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        distributed.broadcast(sent, 0)
        return sent.cpu().numpy().tobytes()

    def require_same(self, fingerprint: str) -> None:
        """Raise UserError on a rank whose data, code, parameters or torch differ from the main process's."""
        if self.broadcast(fingerprint.encode()) != fingerprint.encode():
            raise UserError(
                f"process {self.rank} of {self.count} differs from process 0 in data, code, parameters or torch: make"
                " them equal"
            )

    @contextmanager
    def together(self) -> Iterator[None]:
        """If another rank ends in the block, end this rank too, as SIGTERM does. The launcher prints the reason."""
        try:
            yield
        except RuntimeError as error:
            if isinstance(error, distributed.DistError) or "gloo" in str(error):  # gloo has no type of its own
                # The launcher's own SIGTERM comes next. It must not interrupt how this rank ends, such as its run.
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                raise Terminated from None
            raise

    def _batch_mean(self, kl: Float[Tensor, "B D"], training: bool) -> Float[Tensor, " D"]:  # noqa: FBT001
        if not training:  # the main process validates alone
            return kl.mean(dim=0)
        images = torch.full((1,), len(kl), dtype=kl.dtype, device=kl.device)
        sums = all_reduce(torch.cat([kl.sum(dim=0), images]))
        return sums[:-1] / sums[-1]


def is_rank() -> bool:
    """Whether torchrun has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def join(processes: int, device: torch.device) -> Ranks:
    """Join the process group of that many ranks, which torchrun or `launch` has started. One process has no group.

    Raises UserError if torchrun has started another number of processes, or if the device does not allow several.
    """
    started = int(os.environ["WORLD_SIZE"]) if is_rank() else 1
    if started != processes:
        raise UserError(
            f"torchrun started {started} processes, but processes is {processes}: make the two numbers equal"
        )
    if processes == 1:
        return Ranks(device=device)
    _take_own(device, processes)
    rank, path = int(os.environ["RANK"]), os.environ.get(_STORE)
    where = f"file://{path}" if path else "env://"
    backend = "nccl" if device.type == "cuda" else "gloo"
    # While init_process_group waits for the other ranks in C++, Python's signal handlers cannot run.
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGINT)}
    distributed.init_process_group(backend, init_method=where, rank=rank, world_size=processes)
    for number, handler in before.items():
        signal.signal(number, handler if rank == 0 else signal.SIG_DFL)
    return Ranks(rank, processes, device)


def launch(processes: int) -> None:
    """Run this script again as that many ranks with torchrun's launcher, and return after all have succeeded.

    Raises UserError with the reason of the first rank that failed, and Terminated or KeyboardInterrupt after a signal.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.disable()  # the UserError says in one line what torchrun logs in many
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= _environment(f"{folder}/store")
        # The rendezvous is a file, because torchrun's servers listen on every network. No restarts: a training that is
        # started again resumes from its checkpoint.
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            run_id="stage",
            rdzv_backend="c10d",
            rdzv_endpoint=f"{folder}/rendezvous",
            rdzv_configs={"store_type": "file"},
            local_addr="127.0.0.1",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=folder),
            signals_to_handle="SIGTERM,SIGINT",
        )
        try:
            elastic_launch(config, sys.executable)(*sys.argv)
        except SignalException as interrupt:
            raise (Terminated if interrupt.sigval == signal.SIGTERM else KeyboardInterrupt) from None
        except ChildFailedError as error:
            # A rank's UserError has precedence, then a killed rank, then the ranks that lost the connection to it. The
            # launcher's SIGTERM may end a rank that has reported a UserError.
            rank, failure = min(error.failures.items(), key=lambda item: (not _is_told(item[1]), item[1].exitcode >= 0))
            if failure.exitcode < 0 and not _is_told(failure):
                name = signal.Signals(-failure.exitcode).name
                raise UserError(
                    f"process {rank} of {processes} was ended by {name}: type the same command again to resume"
                ) from None
            raise UserError(_reason(failure.message)) from None


def as_rank(main: Callable[[], None]) -> None:
    """Run `main` as a rank. A failure prints nothing here: the launcher prints the first failure of all ranks once."""
    from torch.distributed.elastic.multiprocessing.errors import record

    if sys.platform == "linux":  # ranks have their own sessions, so a kill of the launcher does not reach them
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)

    @record
    def reported() -> None:
        try:
            main()
        except (OSError, MemoryError, RuntimeError) as error:
            raise (UserError(complaint) if (complaint := machine_complaint(error)) else error) from None

    try:
        reported()
    except (UserError, KeyboardInterrupt):
        sys.exit(1)


def _is_told(failure: Any) -> bool:
    """Whether a rank's failure is a UserError that `record` has kept."""
    return isinstance(failure.message, dict) and failure.message["message"].startswith(_TOLD)


def _reason(message: Any) -> str:
    text = message["message"] if isinstance(message, dict) else str(message)
    return text.removeprefix(_TOLD)


def _environment(store: str) -> dict[str, str]:
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    return {
        _STORE: store,
        "GLOO_SOCKET_IFNAME": loopback,
        "NCCL_SOCKET_IFNAME": loopback,
        "PYTHONPATH": str(Path(str(mnist_vae.__file__)).parent.parent),
        "TORCH_CPP_LOG_LEVEL": "FATAL",
    }


def _take_own(device: torch.device, processes: int) -> None:
    if device.type == "mps":
        raise UserError(f"processes is {processes}, but must be 1 on mps: set it to 1, or device to cpu")
    if device.type == "cuda":
        local_rank, devices = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local_rank >= devices:
            raise UserError(
                f"processes is {processes}, and each process needs its own CUDA device, but this machine has"
                f" {devices}: lower processes, or set device to cpu"
            )
        torch.cuda.set_device(local_rank)


class _AllReduce(torch.autograd.Function):
    # torch.distributed.nn.functional has the same function, but warns that it is deprecated.
    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:  # noqa: ARG004 (torch's own class)
        total = part.contiguous().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:  # noqa: ARG004
        return _AllReduce.apply(*grad_outputs)  # pyright: ignore[reportReturnType]


def all_reduce(part: Tensor) -> Tensor:
    """The sum of all ranks' tensors, on each rank. Gradients flow back through it to every rank."""
    return _AllReduce.apply(part)  # pyright: ignore[reportReturnType]


class _TermsOf(nn.Module):
    # DistributedDataParallel wraps what `forward` computes.
    def __init__(self, model: Autoencoder):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, noise: Tensor, kl_factor: float) -> Terms:
        return self.model.terms(images, noise, kl_factor)


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """Batch norm (Ioffe & Szegedy 2015) over the whole batch on CPUs, which SyncBatchNorm does not support.

    It equals nn.BatchNorm2d in one process except for rounding. A rank may have one image of the batch, or none.
    """

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:  # noqa: A002 (as in the base class)
        if not self.training:
            return super().forward(input)
        pixels = torch.full((1,), input[:, 0].numel(), dtype=input.dtype, device=input.device)
        *sums, count = all_reduce(torch.cat([input.sum(dim=(0, 2, 3)), pixels])).split([self.num_features, 1])
        mean = sums[0] / count
        # A second pass, because the mean of squares minus the square of the mean would lose digits.
        centred = input - mean[:, None, None]
        variance = all_reduce(centred.square().sum(dim=(0, 2, 3))) / count
        self._track(mean.detach(), (variance * count / (count - 1)).detach())
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale[:, None, None] + self.bias[:, None, None]

    def _track(self, mean: Float[Tensor, " C"], variance: Float[Tensor, " C"]) -> None:
        for running, value in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None and self.momentum is not None:
                running.lerp_(value, self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


def _use_global_batch_norm(model: nn.Module) -> None:
    # Both classes have the same tensors and settings, and differ only in `forward`.
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = GlobalBatchNorm2d
