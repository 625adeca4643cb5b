"""What stages say of their runs, on its way into MLflow: files, so that nothing is lost while MLflow fails."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from mnist_vae.tracking.entries import EnterArtifact, EnterModel, Entry, NewRun, Waiting


class Outbox:
    """The entries for the runs with one fingerprint, in their order, with copies of their files.

    They lie in the original repository: the files of a queued experiment are deleted after it. One process may add
    while another delivers, and does not wait for it.
    """

    def __init__(self, root: Path, fingerprint: str):
        self._folder = _place(root) / fingerprint
        self._lines = self._folder / "entries.jsonl"
        self._adding, self._delivering = (FileLock(f"{self._folder}.{name}") for name in ("adding", "delivering"))

    @staticmethod
    def all_below(root: Path) -> list["Outbox"]:
        """Those in which something waits."""
        return [Outbox(root, lines.parent.name) for lines in sorted(_place(root).glob("*/entries.jsonl"))]

    def __len__(self) -> int:
        return len(self._read()) if self._lines.exists() else 0

    def add(self, entry: Entry, run: NewRun) -> None:
        """Keep an entry for a run."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        with self._adding:
            self._folder.mkdir(exist_ok=True)
            match entry:
                case EnterArtifact():
                    entry = entry.model_copy(update={"path": self._copy(entry.path)})
                case EnterModel():
                    copies = {"path": self._copy(entry.path), "package": self._copy(entry.package)}
                    entry = entry.model_copy(update=copies)
            with self._lines.open("a", encoding="utf-8") as file:
                # So that a line broken off spoils no later one.
                file.write(f"\n{Waiting(run=run, entry=entry).model_dump_json()}")

    def deliver(self, enter: Callable[[Waiting], None]) -> int:
        """Hand each entry to `enter`, and forget them all once that is done. Returns how many there were.

        What is added meanwhile is handed over too.
        """
        if not self._lines.exists():
            return 0
        done = 0
        with self._delivering:
            while self._lines.exists():
                waiting = self._read()[done:]
                for one in waiting:
                    enter(one)
                done += len(waiting)
                with self._adding:
                    if len(self._read()) == done:
                        self._lines.unlink()  # first, lest entries without their files are left
                        shutil.rmtree(self._folder)
        return done

    def _copy(self, original: Path) -> Path:
        """A copy, as its path in this folder: the repository may be moved meanwhile."""
        kept = Path(tempfile.mkdtemp(dir=self._folder)) / original.name
        if original.is_dir():
            shutil.copytree(original, kept, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(original, kept)
        return kept.relative_to(self._folder)

    def _read(self) -> list[Waiting]:
        entries = []
        for line in filter(None, self._lines.read_text(encoding="utf-8", errors="replace").split("\n")):
            try:
                waiting = Waiting.model_validate_json(line)
            except ValueError:
                print(f"an entry for MLflow that was broken off is left out: {line[:80]}", flush=True)
                continue
            entries.append(waiting.model_copy(update={"entry": self._with_places(waiting.entry)}))
        return entries

    def _with_places(self, entry: Entry) -> Entry:
        match entry:
            case EnterArtifact():
                return entry.model_copy(update={"path": self._folder / entry.path})
            case EnterModel():
                places = {"path": self._folder / entry.path, "package": self._folder / entry.package}
                return entry.model_copy(update=places)
        return entry


def _place(root: Path) -> Path:
    return root / ".dvc" / "tmp" / "tracking"
