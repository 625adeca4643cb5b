"""Ranks to test with: processes of one group, without the seconds that Python takes to import torch."""

import importlib
import os
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from jaxtyping import install_import_hook

from stage_process import FORKSERVER

_SECONDS = 60


def in_ranks(count: int, module: str, function: str, *arguments: object) -> list[Any]:
    """What a function of a module, called with its rank's Ranks and the arguments, returns in each of them."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = [FORKSERVER.Pipe(duplex=False) for _ in range(count)]
        processes = [
            FORKSERVER.Process(target=_run, args=(rank, count, folder, send, module, function, arguments))
            for rank, (_, send) in enumerate(pairs)
        ]
        for process in processes:
            process.start()
        found = []
        for (receive, send), process in zip(pairs, processes, strict=True):
            send.close()
            assert receive.poll(_SECONDS), "a rank does not answer"
            found.append(receive.recv())
            process.join(_SECONDS)
            assert process.exitcode == 0
    return found


def _run(
    rank: int, count: int, folder: str, send: Connection, module: str, function: str, arguments: tuple[object, ...]
) -> None:
    # As in the tests' own process; before the first import of the project.
    install_import_hook("mnist_vae", "beartype.beartype")
    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MNIST_VAE_RANKS": Path(folder) / "store"}
    os.environ |= {name: str(value) for name, value in own.items()} | {"GLOO_SOCKET_IFNAME": "lo"}
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")
    from mnist_vae.process_group import join_ranks

    ranks = join_ranks(count, torch.device("cpu"))
    send.send(getattr(importlib.import_module(module), function)(ranks, *arguments))
    torch.distributed.destroy_process_group()
