"""Joining the ranks that torchrun or the launcher has started."""

import os
import signal

import torch
from torch import distributed

from mnist_vae.console.stage import UserError
from mnist_vae.training.rank_process import open_store
from mnist_vae.training.ranks import OneProcess, Ranks


def join_ranks(processes: int, device: torch.device) -> OneProcess | Ranks:
    """The process group of so many ranks, or none for one. Its ranks have been started by torchrun or the launcher.

    Raises UserError where the device cannot be that of several ranks.
    """
    if processes == 1:
        return OneProcess()
    _take_own(device, processes)
    backend, rank = "nccl" if device.type == "cuda" else "gloo", int(os.environ["RANK"])
    # While it waits for the others in C++, Python could not act on a signal.
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGINT)}
    distributed.init_process_group(backend, store=open_store(), rank=rank, world_size=processes)
    for number, handler in before.items():
        # The other ranks go on until the first has ended, which a signal ends between two steps.
        signal.signal(number, handler if rank == 0 else signal.SIG_IGN)
    return Ranks(device)


def _take_own(device: torch.device, processes: int) -> None:
    if device.type == "mps":
        raise UserError(f"processes is {processes}, but must be 1 on mps: set it to 1, or device to cpu")
    if device.type == "cuda":
        local_rank, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local_rank >= there:
            raise UserError(
                f"processes is {processes}, each on a CUDA device of its own, but there are {there} here: lower"
                " processes, or set device to cpu"
            )
        torch.cuda.set_device(local_rank)
