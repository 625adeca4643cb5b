"""Starting a stage as several processes, its ranks, by torchrun's launcher, and ending them all with one line.

It runs in every stage process that may have ranks, so it imports torch only where they are wanted.
"""

import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import mnist_vae
from mnist_vae.console.stage import Terminated, UserError
from mnist_vae.training.rank_process import (
    STORE,
    complaint_of_another,
    end_with_launcher,
    is_first_to_complain,
    is_rank,
)


class RanksWantedError(Exception):
    """A stage's parameters want several processes, and this is a single one: it must be started again as those."""

    def __init__(self, processes: int):
        super().__init__(processes)
        self.processes = processes


def require_ranks(processes: int) -> None:
    """To be called as soon as a stage knows how many processes it is to be: raises RanksWantedError to start them.

    Raises UserError in one of another number of processes.
    """
    started = int(os.environ["WORLD_SIZE"]) if is_rank() else 1
    if started == 1 < processes and not is_rank():
        raise RanksWantedError(processes)
    if started != processes:
        raise UserError(f"torchrun started {started} processes, but processes is {processes}: make them equal")


def in_ranks(main: Callable[..., None]) -> Callable[..., None]:
    """The stage's `main`, started again as so many ranks where it wants several processes.

    Of the ranks that fail, the first one says why; the others end without a word.
    """

    @wraps(main)
    def run(*paths: Path) -> None:
        if is_rank():
            end_with_launcher()
        try:
            main(*paths)
        except RanksWantedError as wanted:
            processes = wanted.processes
        except BaseException as error:
            if is_rank() and not is_first_to_complain(error):
                sys.exit(1)
            raise
        else:
            return
        _launch(processes)

    return run


def _launch(processes: int) -> None:
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.disable()  # what torchrun has to say, in many lines, is said here in one
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= _environment(f"{folder}/store")
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            run_id="stage",
            # A file, because torch's servers listen on every network.
            rdzv_backend="c10d",
            rdzv_endpoint=f"{folder}/rendezvous",
            rdzv_configs={"store_type": "file"},
            local_addr="127.0.0.1",
            max_restarts=0,  # what goes on does so from the checkpoint, when the stage is started again
            logs_specs=DefaultLogsSpecs(log_dir=folder),
            signals_to_handle="SIGTERM,SIGINT",
        )
        try:
            elastic_launch(config, sys.executable)(*sys.argv)
        except SignalException as interrupt:
            raise (Terminated if interrupt.sigval == signal.SIGTERM else KeyboardInterrupt) from None
        except ChildFailedError as error:
            if complaint_of_another() is not None:
                sys.exit(1)  # it has been said
            # A killed one comes before those that lost it.
            rank, failure = min(error.failures.items(), key=lambda one: one[1].exitcode >= 0)
            ended = signal.Signals(-failure.exitcode).name if failure.exitcode < 0 else f"exit code {failure.exitcode}"
            raise UserError(f"process {rank} of {processes} was ended by {ended}: start again, to go on") from None


def _environment(store: str) -> dict[str, str]:
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    return {
        STORE: store,
        "GLOO_SOCKET_IFNAME": loopback,
        "NCCL_SOCKET_IFNAME": loopback,
        "PYTHONPATH": str(Path(str(mnist_vae.__file__)).parent.parent),
        "TORCH_CPP_LOG_LEVEL": "FATAL",
    }
