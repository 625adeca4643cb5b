"""Starting a stage as several processes, its ranks, by torchrun's launcher, and ending them all with one line.

It runs in every stage process that may have ranks, so it imports torch only where they are wanted.
"""

import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mnist_vae.stage import StageError, Terminated, machine_complaint

if TYPE_CHECKING:
    from torch.distributed import Store

_STORE = "MNIST_VAE_RANKS"  # the file through which the ranks on one machine find each other
_COMPLAINT = "complaint"
_SECONDS_BETWEEN_LOOKS = 0.2


class RanksWantedError(Exception):
    """A stage's parameters want several processes, and this is a single one: it must be started again as those."""

    def __init__(self, processes: int):
        super().__init__(processes)
        self.processes = processes


def require_ranks(processes: int) -> None:
    """To be called as soon as a stage knows how many processes it is to be: raises RanksWantedError to start them.

    Raises StageError in one of another number of processes.
    """
    started = int(os.environ["WORLD_SIZE"]) if _is_rank() else 1
    if started == 1 < processes and not _is_rank():
        raise RanksWantedError(processes)
    if started != processes:
        raise StageError(f"torchrun started {started} processes, but processes is {processes}: make them equal")


def is_follower() -> bool:
    """Whether this process is a rank but the first one, which alone prints, tracks and writes."""
    return _is_rank() and os.environ["RANK"] != "0"


def in_ranks(main: Callable[..., None]) -> Callable[..., None]:
    """The stage's `main`, started again as so many ranks where it wants several processes.

    Of the ranks that fail, the first one says why; the others end without a word.
    """

    @wraps(main)
    def run(*paths: Path) -> None:
        if _is_rank():
            threading.Thread(target=_end_with_launcher, args=[os.getppid()], daemon=True).start()
        try:
            main(*paths)
        except RanksWantedError as wanted:
            processes = wanted.processes
        except BaseException as error:
            if _is_rank() and not _is_first_to_complain(error):
                sys.exit(1)
            raise
        else:
            return
        _launch(processes)

    return run


@cache
def open_store() -> "Store":
    """What all ranks can read and write: a file on one machine, torchrun's server on several."""
    from torch import distributed

    if path := os.environ.get(_STORE):
        return distributed.FileStore(path)
    return next(iter(distributed.rendezvous("env://")))[0]


def complaint_of_another() -> str | None:
    """Why another rank has failed, if one has said so."""
    with suppress(RuntimeError):  # torchrun's server may have ended
        if open_store().check([_COMPLAINT]):
            return open_store().get(_COMPLAINT).decode().partition(" ")[2]
    return None


def _is_rank() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ


def _is_first_to_complain(error: BaseException) -> bool:
    if isinstance(error, KeyboardInterrupt):
        return False  # the launcher says it
    text = str(error) if isinstance(error, StageError) else machine_complaint(error) or f"{type(error).__name__}"
    mine = f"{os.environ['RANK']} {text}"
    with suppress(RuntimeError):
        return open_store().compare_set(_COMPLAINT, "", mine).decode() == mine
    return True


def _end_with_launcher(launcher: int) -> NoReturn:
    # Ranks have sessions of their own, so what kills the launcher does not reach them.
    while os.getppid() == launcher:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit


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
            raise StageError(f"process {rank} of {processes} was ended by {ended}: start again, to go on") from None


def _environment(store: str) -> dict[str, str]:
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    return {
        _STORE: store,
        "GLOO_SOCKET_IFNAME": loopback,
        "NCCL_SOCKET_IFNAME": loopback,
        "TORCH_CPP_LOG_LEVEL": "FATAL",
    }
