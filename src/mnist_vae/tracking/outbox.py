"""What could not be entered into MLflow, kept until it can be."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock

from mnist_vae.tracking.operations import EnterArtifact, Entry, NewRun, Waiting
from mnist_vae.whole_file import file_md5


class Outbox:
    """The entries that wait for the store to be back, of the runs with one fingerprint, in their order.

    They lie in the original repository, with copies of their files: those of a queued experiment are deleted after it.
    One process may add while another delivers.
    """

    def __init__(self, root: Path, fingerprint: str):
        self._folder = _place(root) / fingerprint
        self._lines = self._folder / "entries.jsonl"
        self._lock = FileLock(_place(root) / "lock")

    @staticmethod
    def all_below(root: Path) -> list["Outbox"]:
        """Those in which something waits."""
        return [Outbox(root, lines.parent.name) for lines in sorted(_place(root).glob("*/entries.jsonl"))]

    def add(self, entry: Entry, run: NewRun) -> None:
        """Keep an entry for a run."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._folder.mkdir(exist_ok=True)
            if isinstance(entry, EnterArtifact):
                kept = self._folder / file_md5(entry.path) / entry.path.name
                kept.parent.mkdir(exist_ok=True)
                shutil.copyfile(entry.path, kept)
                entry = entry.model_copy(update={"path": kept})
            with self._lines.open("a") as file:
                # So that a line broken off spoils no later one.
                file.write(f"\n{Waiting(run=run, entry=entry).model_dump_json()}")

    def deliver(self, enter: Callable[[Waiting], None]) -> int:
        """Hand each entry to `enter`, and forget them all once that is done. Returns how many there were."""
        if not self._lines.exists():
            return 0
        with self._lock:
            if not self._lines.exists():  # another process was faster
                return 0
            waiting = list(self._read())
            for one in waiting:
                enter(one)
            shutil.rmtree(self._folder)
        return len(waiting)

    def _read(self) -> Iterator[Waiting]:
        for line in self._lines.read_text().splitlines():
            try:
                yield Waiting.model_validate_json(line)
            except ValueError:  # nothing, or broken off by a kill
                continue


def _place(root: Path) -> Path:
    return root / ".dvc" / "tmp" / "tracking"
