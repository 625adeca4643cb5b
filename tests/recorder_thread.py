"""The recorder in a thread of the stage's own process, which has imported MLflow already: a process takes seconds."""

from pathlib import Path
from queue import Queue
from threading import Event, Thread

from mnist_vae.tracking.recorder import record

_SECONDS = 60


class RecorderThread:
    """Stands for RecorderProcess. What was entered when a method returns is in MLflow."""

    def __init__(self, root: Path, fingerprint: str, stage: str, waited: int):
        self._wakes: Queue[str] = Queue()
        self._idle = Event()
        self._thread = Thread(target=self._record, args=(root, fingerprint, stage, waited), daemon=True)
        self._thread.start()
        assert self._idle.wait(_SECONDS)

    def settle(self) -> None:
        pass

    def wake(self) -> None:
        self._idle.clear()
        self._wakes.put("more")
        assert not self._thread.is_alive() or self._idle.wait(_SECONDS)

    def close(self) -> bool:
        self._wakes.put("")
        self._thread.join(_SECONDS)
        return not self._thread.is_alive()

    def _record(self, root: Path, fingerprint: str, stage: str, waited: int) -> None:
        record(root, fingerprint, stage, waited, self._more)
        self._idle.set()

    def _more(self) -> bool:
        self._idle.set()
        return bool(self._wakes.get())
