"""What could not be entered into MLflow, kept until it can be."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock

from mnist_vae.tracking.operations import EnterArtifact, Entry, NewRun, as_line, from_line
from mnist_vae.whole_file import file_md5


class Outbox:
    """The entries that wait for the store to be back, of the runs with one fingerprint, in their order.

    They lie in the original repository, with copies of their files: those of a queued experiment are deleted after it.
    """

    def __init__(self, root: Path, fingerprint: str):
        self._folder = root / ".dvc" / "tmp" / "tracking" / fingerprint
        self._lines = self._folder / "entries.jsonl"

    @staticmethod
    def all_below(root: Path) -> Iterator["Outbox"]:
        """Those that have something in them."""
        for folder in sorted((root / ".dvc" / "tmp" / "tracking").glob("*/")):
            yield Outbox(root, folder.name)

    @property
    def is_empty(self) -> bool:
        return not self._lines.exists()

    def add(self, operation: Entry | NewRun) -> None:
        """Keep an entry."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if isinstance(operation, EnterArtifact):
            kept = self._folder / file_md5(operation.path) / operation.path.name
            kept.parent.mkdir(exist_ok=True)
            shutil.copyfile(operation.path, kept)
            operation = operation.model_copy(update={"path": kept})
        with self._lines.open("a") as file:
            file.write(f"\n{as_line(operation)}")  # so that a line broken off spoils no later one

    def deliver(self, enter: Callable[[Entry | NewRun], None]) -> int:
        """Hand each entry to `enter`, and forget them all once that is done. Returns how many there were."""
        if self.is_empty:
            return 0
        with FileLock(self._folder.with_suffix(".lock")):
            if self.is_empty:
                return 0
            operations = list(self._operations())
            for operation in operations:
                enter(operation)
            shutil.rmtree(self._folder)
        return len(operations)

    def _operations(self) -> Iterator[Entry | NewRun]:
        for line in self._lines.read_text().splitlines():
            try:
                yield from_line(line)
            except ValueError:  # nothing, or broken off by a kill
                continue
