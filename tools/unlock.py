"""Remove a stale .dvc/tmp/rwlock. It makes DVC say that a path is busy or that the file is corrupted.

DVC writes this file in place, so it stays empty if DVC is killed at that moment. After a restart of the machine or
container, the process ids in it may belong to other programs.
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
    """Remove the lock if it is unreadable, or if no process that it names is a running DVC.

    Returns a line that says so, "" if nothing was removed.
    """
    path = root / _LOCK
    if not path.exists():
        return ""
    holders = _holders(path)
    if holders is None:  # DVC may be writing it at this moment
        time.sleep(_SECONDS)
        holders = _holders(path)
    if holders is not None and (not holders or any(map(_is_dvc, holders))):
        return ""
    path.unlink(missing_ok=True)
    return f"{_LOCK} was left by a DVC command that no longer runs, and is removed now"


def _holders(path: Path) -> list[int] | None:
    """The process ids in the lock file; None if it cannot be read."""
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
        return True  # another user's process: it may be DVC
    except psutil.Error:
        return False


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if done := unlock(ROOT):
        print(f"unlock: {done}")


if __name__ == "__main__":
    run_command(main)
