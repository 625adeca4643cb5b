"""What every stage shares: its place in the repository, and how it ends."""

import inspect
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

import mnist_vae


class StageError(Exception):
    """A failure that the person at the terminal can mend. Its text is one line: what is wrong, where, what to do."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised as an exception so that a terminated stage is cleaned up like an interrupted one."""


def repository_root(start: Path) -> Path:
    """The DVC repository that `start` lies in; the original one for a queued experiment, which runs in a copy below it.

    Raises StageError outside a DVC repository.
    """
    above = [start.resolve(), *start.resolve().parents]
    # DVC sets DVC_ROOT for its stages, but one left over in a shell may name another repository.
    named = Path(os.environ.get("DVC_ROOT", start)).resolve()
    for folder in [named, *above] if named in above else above:
        if (folder / ".dvc").is_dir():
            return folder
    raise StageError(f"{start} is not inside a DVC repository: run the stages with `dvc repro` in a clone of one")


def run_stage(main: Callable[..., None]) -> NoReturn:
    """Call `main` with the command line's paths and exit: 0 when it returns, 1 with one line after a StageError.

    An interrupt ends in one line and 128 + the signal's number. Any other exception is a bug and keeps its traceback.
    """
    name = Path(sys.argv[0]).stem
    signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        _check_origin_of_code()
        wanted = list(inspect.signature(main).parameters)
        if len(sys.argv) - 1 != len(wanted):
            raise StageError(f"needs {len(wanted)} paths, as dvc.yaml gives them: {' '.join(wanted).upper()}")
        main(*map(Path, sys.argv[1:]))
    except StageError as error:
        _exit(f"{name}: {error}", 1)
    except KeyboardInterrupt as interrupt:
        number = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
        _exit(f"{name}: stopped by {signal.Signals(number).name}", 128 + number)
    sys.exit(0)


def _exit(line: str, code: int) -> NoReturn:
    print(line, file=sys.stderr)
    sys.exit(code)


def _raise_terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _check_origin_of_code() -> None:
    # An installed copy would make a queued experiment run the workspace's code instead of its own snapshot's.
    code, here = Path(str(mnist_vae.__file__)).resolve(), Path.cwd().resolve()
    if here not in code.parents:
        raise StageError(
            f"runs code from {code.parent}, not from {here}: start it by `dvc repro`, which sets PYTHONPATH"
        )
