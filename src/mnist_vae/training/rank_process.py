"""A process of a stage as one of several ranks, started by torchrun or the launcher: what it is told, how it ends.

A stage that has one process alone imports this too, so torch is imported only where there are ranks.
"""

import os
import signal
import threading
import time
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, NoReturn

from mnist_vae.console.stage import UserError, machine_complaint

if TYPE_CHECKING:
    from torch.distributed import Store  # pyright: ignore[reportPrivateImportUsage]

STORE = "MNIST_VAE_RANKS"  # names the file through which ranks on one machine find each other
_COMPLAINT = "complaint"
_SECONDS_BETWEEN_LOOKS = 0.2


def is_rank() -> bool:
    """Whether this process is one of several, or at least one of torchrun's."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_follower() -> bool:
    """Whether this process is a rank but the first one, which alone prints, tracks and writes."""
    return is_rank() and os.environ["RANK"] != "0"


def end_with_launcher() -> None:
    """Let this process be killed as soon as the one that started it is gone.

    Ranks have sessions of their own, so what kills the launcher does not reach them.
    """
    threading.Thread(target=_outlive, args=[os.getppid()], daemon=True).start()


@cache
def open_store() -> "Store":
    """What all ranks can read and write: a file on one machine, torchrun's server on several."""
    from torch.distributed import FileStore  # pyright: ignore[reportPrivateImportUsage]
    from torch.distributed.rendezvous import rendezvous

    if path := os.environ.get(STORE):
        return FileStore(path)
    return next(iter(rendezvous("env://")))[0]


def complaint_of_another() -> str | None:
    """Why another rank has failed, if one has said so."""
    with suppress(RuntimeError):  # torchrun's server may have ended
        if open_store().check([_COMPLAINT]):
            return open_store().get(_COMPLAINT).decode().partition(" ")[2]
    return None


def is_first_to_complain(error: BaseException) -> bool:
    """Say to the others why this rank fails. False if one of them has said why it does, or if the launcher will."""
    if isinstance(error, KeyboardInterrupt):
        return False  # the launcher says it
    text = str(error) if isinstance(error, UserError) else machine_complaint(error) or f"{type(error).__name__}"
    mine = f"{os.environ['RANK']} {text}"
    with suppress(RuntimeError):
        return open_store().compare_set(_COMPLAINT, "", mine).decode() == mine
    return True


def _outlive(launcher: int) -> NoReturn:
    while os.getppid() == launcher:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit  # it does not come to this
