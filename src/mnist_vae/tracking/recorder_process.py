"""The process that enters into MLflow what a stage leaves in its outbox, as the stage sees it."""

import json
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

    Importing MLflow and opening the store take as long as importing torch does. So a stage starts this first, and the
    two go side by side. It is in a process group of its own, so that it outlives whatever ends the stage and says so in
    the run. As its block ends without a run, it ends without a word.
    """

    def __init__(self, root: Path, stage: str):
        self.root, self.stage = root, stage
        self._has_run = False
        read, self._wake = os.pipe()
        self._ready, ready = os.pipe()
        self._process = subprocess.Popen(
            [*_COMMAND, str(root), stage, str(ready)],
            stdin=read,
            pass_fds=[ready],
            process_group=0,
            env=os.environ | {"PYTHONPATH": str(Path(str(mnist_vae.__file__)).parent.parent)},
        )
        os.close(read)
        os.close(ready)

    def __enter__(self) -> "RecorderProcess":  # noqa: PYI034 (beartype knows no Self here)
        return self

    def __exit__(self, *_: object) -> None:
        if not self._has_run:
            self._process.kill()
            self.close()

    def begin(self, fingerprint: str, waited: int) -> None:
        """Enter from now on what the outbox of that training gets; `waited` entries of earlier stages are in it."""
        self._has_run = True
        self._write(json.dumps({"fingerprint": fingerprint, "waited": waited}).encode() + b"\n")

    def settle(self) -> None:
        """Wait until it has opened the store, or failed, for some seconds."""
        if self._has_run:
            select.select([self._ready], [], [], _SECONDS_OF_START)

    def wake(self) -> None:
        """There is something in the outbox."""
        self._write(b"\n")

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

    def _write(self, message: bytes) -> None:
        with suppress(BrokenPipeError):  # MLflow failed, it said so and ended
            os.write(self._wake, message)
