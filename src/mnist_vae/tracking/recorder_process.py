"""The process that enters into MLflow what a stage leaves in its outbox, as the stage sees it."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import mnist_vae

_SECONDS = 10  # for what is left when the stage is over


class RecorderProcess:
    """Runs beside the stage, which neither waits for MLflow nor spends the seconds of importing it.

    It is in a session of its own, so that it outlives whatever ends the stage and says so in the run.
    """

    def __init__(self, root: Path, fingerprint: str, stage: str, waited: int):
        read, self._wake = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mnist_vae.tracking.recorder", str(root), fingerprint, stage, str(waited)],
            stdin=read,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": str(Path(str(mnist_vae.__file__)).parent.parent)},
        )
        os.close(read)

    def wake(self) -> None:
        """There is something in the outbox."""
        with suppress(BrokenPipeError):  # MLflow failed, it said so and ended
            os.write(self._wake, b"\n")

    def close(self) -> bool:
        """The stage is over: wait until the outbox is empty or MLflow failed. False if that takes too long."""
        os.close(self._wake)
        try:
            self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        return True
