"""Repair what a killed DVC leaves behind: a stale .dvc/tmp/rwlock, and a truncated dvc.lock.

DVC writes both files in place, so a kill at that moment leaves them empty or truncated. DVC then says that a file is
corrupted or that the validation of dvc.lock failed. After a restart of the machine or container, the process ids in
the stale rwlock may belong to other programs. DVC then says that a path is busy.
"""

import argparse
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

from command import ROOT, run_command

import psutil
import yaml

from mnist_vae.common.atomic import write_atomically

_LOCK = Path(".dvc/tmp/rwlock")
_RECORDS = (Path("dvc.lock"), Path("watch/dvc.lock"))
_SECONDS = 0.2  # far more than DVC takes to write them


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


def repair(root: Path) -> list[str]:
    """Remove a stale lock and repair truncated records. Returns a line for each change."""
    lines = [unlock(root), *(repair_record(root, record) for record in _RECORDS)]
    return [line for line in lines if line]


def repair_record(root: Path, record: Path) -> str:
    """Keep the whole stages of a truncated dvc.lock, and remove the file if there are none.

    DVC runs the other stages again, or restores them from its run cache. Returns a line that says so, "" if nothing was
    changed.
    """
    path, damaged = root / record, Path(".dvc/tmp") / f"{record.as_posix().replace('/', '-')}.damaged"
    if not path.exists() or _is_whole(path.read_bytes()):
        return ""
    time.sleep(_SECONDS)  # DVC may be writing it at this moment
    content = path.read_bytes()
    if _is_whole(content) or b"<<<<<<<" in content:  # a merge conflict is for its owner to resolve
        return ""
    write_atomically(content, root / damaged)
    if kept := _whole_stages(content):
        write_atomically(kept, path)
    else:
        path.unlink()
    return f"{record} was damaged, so its last stages run again or are restored; the former file is {damaged}"


def _whole_stages(content: bytes) -> bytes:
    """The part of a truncated dvc.lock before its last stage, which may lack lines. b"" if it has no whole stage."""
    *_, last = [match.start() for match in re.finditer(rb"^  [^ ].*$", content, re.MULTILINE)] or [0]
    return content[:last] if _is_whole(content[:last]) else b""


def _is_whole(content: bytes) -> bool:
    """Whether these bytes have what DVC's schema of dvc.lock demands."""
    try:
        record = yaml.safe_load(content)
        return content.endswith(b"\n") and all(
            "cmd" in stage and all("path" in file for file in (*stage.get("deps", ()), *stage.get("outs", ())))
            for stage in record["stages"].values()
        )
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError, AttributeError):
        return False


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
    for line in repair(ROOT):
        print(f"unlock: {line}")


if __name__ == "__main__":
    run_command(main)
