"""The process that enters into MLflow what a stage leaves in its outbox, as the stage sees it."""

import os
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import mnist_vae

_COMMAND = [sys.executable, "-m", "mnist_vae.tracking.recorder"]
_SECONDS_OF_START = 3
# For what is left when the stage is over. A server that fails does so sooner; this is for a machine that is busy.
_SECONDS = 60


class RecorderProcess:
    """Runs beside the stage, so that a server which fails or hangs holds nothing up.

    It is in a process group of its own, so that it outlives whatever ends the stage and says so in the run.
    """

    def __init__(self, root: Path, fingerprint: str, stage: str, waited: int):
        read, self._wake = os.pipe()
        self._ready, ready = os.pipe()
        self._process = subprocess.Popen(
            [*_COMMAND, str(root), fingerprint, stage, str(waited), str(ready)],
            stdin=read,
            pass_fds=[ready],
            process_group=0,
            env=os.environ | {"PYTHONPATH": str(Path(str(mnist_vae.__file__)).parent.parent)},
        )
        os.close(read)
        os.close(ready)

    def settle(self) -> None:
        """Wait until it has opened the store, or failed, for some seconds."""
        select.select([self._ready], [], [], _SECONDS_OF_START)

    def wake(self) -> None:
        """There is something in the outbox."""
        with suppress(BrokenPipeError):  # MLflow failed, it said so and ended
            os.write(self._wake, b"\n")

    def close(self) -> bool:
        """The stage is over: wait until the outbox is empty or MLflow failed. False if that takes too long."""
        os.close(self._wake)
        os.close(self._ready)
        try:
            self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        return True
