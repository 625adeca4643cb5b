"""Ranks for tests: processes of one group that start without the seconds of importing torch."""

import importlib
import multiprocessing
import os
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from jaxtyping import install_import_hook

_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload(["torch", "jaxtyping", "beartype"])
_SECONDS = 60


class RankProcesses:
    """A group of `count` ranks that call one function after another."""

    def __init__(self, count: int):
        self._folder = tempfile.TemporaryDirectory()
        pairs = [_FORKSERVER.Pipe() for _ in range(count)]
        self._pipes = [here for here, _ in pairs]
        self._processes = [
            _FORKSERVER.Process(target=_serve, args=(rank, count, self._folder.name, there))
            for rank, (_, there) in enumerate(pairs)
        ]
        for process, (_, there) in zip(self._processes, pairs, strict=True):
            process.start()
            there.close()

    def call(self, module: str, function: str, *arguments: object) -> list[Any]:
        """Call a module's function with Ranks and the arguments in each rank. Returns the results by rank."""
        for pipe in self._pipes:
            pipe.send((module, function, arguments))
        assert all(pipe.poll(_SECONDS) for pipe in self._pipes), "a rank does not answer"
        return [pipe.recv() for pipe in self._pipes]

    def close(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(_SECONDS)
            assert process.exitcode == 0
        self._folder.cleanup()


def _serve(rank: int, count: int, folder: str, pipe: Connection) -> None:
    # The same as in the tests' own process. It must come before the first import of the project.
    install_import_hook("mnist_vae", "beartype.beartype")
    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MNIST_VAE_STORE": Path(folder) / "store"}
    own["TORCHELASTIC_RUN_ID"] = "test"
    os.environ |= {name: str(value) for name, value in own.items()} | {"GLOO_SOCKET_IFNAME": "lo"}
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")
    from mnist_vae.training.distributed import join

    ranks = join(count, torch.device("cpu"))
    try:
        while True:
            module, function, arguments = pipe.recv()
            pipe.send(getattr(importlib.import_module(module), function)(ranks, *arguments))
    except EOFError:
        torch.distributed.destroy_process_group()
