"""What tells the runs of this repository from those of others in the same store."""

from pathlib import Path
from uuid import uuid4

from filelock import FileLock


def repository_id(root: Path) -> str:
    """A name that the repository gave itself, and keeps when it is moved."""
    place = root / ".dvc" / "tmp" / "repository"
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{place}.lock"):
        if not place.exists():
            place.write_text(uuid4().hex)
        return place.read_text()
