"""Remove .dvc/tmp/rwlock if no DVC holds it: DVC then says that a path is busy, or that the file is corrupted.

DVC writes it in place, so killed in that moment it leaves it empty. After a restart of the machine or container the
process ids in it may be those of other programs.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

from command import ROOT, run_command

import psutil

_LOCK = Path(".dvc/tmp/rwlock")
_SECONDS = 0.2  # far more than DVC takes to write it


def unlock(root: Path) -> str:
    """Remove the lock unless a DVC that runs is named in it. Returns what was done in a line, "" for nothing."""
    path = root / _LOCK
    if not path.exists():
        return ""
    holders = _holders(path)
    if holders is None:  # it may be being written
        time.sleep(_SECONDS)
        holders = _holders(path)
    if holders is not None and (not holders or any(map(_is_dvc, holders))):
        return ""
    path.unlink(missing_ok=True)
    return f"{_LOCK} was left by a DVC that no longer runs: removed"


def _holders(path: Path) -> list[int] | None:
    """The process ids in it; None if it cannot be read."""
    try:
        return list(_pids(json.loads(path.read_bytes())))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _pids(content: dict) -> Iterator[int]:
    for places in content.values():
        for infos in places.values():
            yield from (int(info["pid"]) for info in (infos if isinstance(infos, list) else [infos]) if info)


def _is_dvc(pid: int) -> bool:
    try:
        return any(Path(argument).name == "dvc" for argument in psutil.Process(pid).cmdline())
    except psutil.AccessDenied:
        return True  # somebody else's process: it may be one
    except psutil.Error:
        return False


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if done := unlock(ROOT):
        print(f"unlock: {done}")


if __name__ == "__main__":
    run_command(main)
