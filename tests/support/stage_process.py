"""A stage in a process of its own, as DVC runs it, under circumstances that a test chooses."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from interpreters import Interpreters
from preloaded_client import Program, connect

_SECONDS = 120


class Ended(NamedTuple):
    """How a stage ended: its exit code, and what it wrote to standard output and to standard error."""

    code: int
    printed: str
    complaint: str


class Circumstances(NamedTuple):
    """Environment variables, the PYTHONPATH (`code`), the largest size of a file, and whether the folder's file system
    is read-only.
    """

    variables: Mapping[str, str] = {}
    code: str = "src"
    file_bytes: int | None = None
    read_only: bool = False


def run_stage_in(
    interpreters: Interpreters,
    folder: Path,
    stage: str,
    arguments: Sequence[str] = (),
    around: Circumstances = Circumstances(),
) -> Ended:
    """Run a stage in a folder that has src and stages. Unpickling a class or function is an error in it."""
    program = Program(
        [f"stages/{stage}.py", *arguments],
        os.fspath(folder),
        {"PATH": os.environ["PATH"], "PYTHONPATH": around.code, **around.variables},
        interpreters.python,
        around.file_bytes,
        around.read_only,
        refuses_unpickling=True,
    )
    outputs = [folder.parent / f"{folder.name}.{name}" for name in ("out", "err")]
    with Path(os.devnull).open() as nothing, outputs[0].open("w") as printed, outputs[1].open("w") as complaint:
        connection = connect(interpreters.address, program, (nothing.fileno(), printed.fileno(), complaint.fileno()))
    with connection, connection.makefile() as answers:
        connection.settimeout(_SECONDS)
        _, code = answers
    return Ended(int(code), *(path.read_text() for path in outputs))


def can_mount() -> bool:
    """Whether this process may make a folder read-only for itself."""
    return sys.platform == "linux" and subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0
