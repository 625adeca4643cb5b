"""The recorder in a thread of the stage's own process, which has imported MLflow already: a process takes seconds."""

from pathlib import Path
from queue import Queue
from threading import Event, Thread

from mnist_vae.tracking.recorder import Beginning, record
from mnist_vae.tracking.recorder_process import RecorderProcess

_SECONDS = 60


class RecorderThread(RecorderProcess):
    """Stands for RecorderProcess. What was entered when a method returns is in MLflow."""

    def __init__(self, root: Path, stage: str):
        self.root, self.stage = root, stage
        self._thread: Thread | None = None
        self._wakes: Queue[str] = Queue()
        self._idle = Event()

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self, fingerprint: str, waited: int) -> None:
        beginning = Beginning(fingerprint, waited)
        self._thread = Thread(target=self._record, args=(beginning,), daemon=True)
        self._thread.start()
        assert self._idle.wait(_SECONDS)

    def settle(self) -> None:
        pass

    def wake(self) -> None:
        if self._thread is not None:
            self._idle.clear()
            self._wakes.put("more")
            assert not self._thread.is_alive() or self._idle.wait(_SECONDS)

    def close(self) -> bool:
        if self._thread is None:
            return True
        self._wakes.put("")
        self._thread.join(_SECONDS)
        return not self._thread.is_alive()

    def _record(self, beginning: Beginning) -> None:
        record(self.root, self.stage, lambda: beginning, self._more)
        self._idle.set()

    def _more(self) -> bool:
        self._idle.set()
        return bool(self._wakes.get())
