"""What every stage shares: its place in the repository, and how it ends."""

import errno
import gc
import io
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import mnist_vae
from mnist_vae.console.early import end_imports

# The errors of a machine that is full, that refuses access, or that fails. They are no bugs of the code.
_MACHINE_ERRORS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE),
    *(errno.ENFILE, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
}


class UserError(Exception):
    """A failure that the person at the terminal can fix. Its text is one line: what is wrong, where, what to do."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised as an exception so that a terminated stage is cleaned up like an interrupted one."""


def without_password(text: str) -> str:
    """The text without the user names and passwords of the addresses in it, so that a message may show it.

    As in SQLAlchemy's addresses, a password may contain slashes, and it may be a parameter after the question mark.
    """
    text = re.sub(r"//[^/\s]*(?::\S*)?@", "//", text)
    return re.sub(r"([?&][^=&\s]*(?:user|pass|token|secret)[^=&\s]*=)[^&\s]*", r"\1***", text)


def repository_root(start: Path) -> Path:
    """The DVC repository that contains `start`. Raises UserError outside a DVC repository.

    A queued experiment runs in a copy below the original repository. For it, this is the original one.
    """
    above = [start.resolve(), *start.resolve().parents]
    # DVC sets DVC_ROOT for its stages, but a value left over in a shell may name another repository.
    named = Path(os.environ.get("DVC_ROOT", start)).resolve()
    for folder in [named, *above] if named in above else above:
        if (folder / ".dvc").is_dir():
            return folder
    raise UserError(f"{start} is not inside a DVC repository: run the stages with `dvc repro` in a clone of one")


def show_to_git(path: Path) -> None:
    """Make Git read a file whose content may have changed, so that `git restore` restores it.

    Git takes a file for unchanged if its size and the second of its modification time are unchanged. `dvc exp run -S`
    writes params.yaml several times in a second, so Git may miss a new value of the same length.
    """
    ten_seconds_ago = time.time() - 10
    with suppress(OSError):  # the file may be missing, or belong to another user
        os.utime(path, (ten_seconds_ago, ten_seconds_ago))


@contextmanager
def way_back_in_message(params_file: Path) -> Iterator[None]:
    """Make Git see changes of params.yaml, and let a UserError in the block say how to undo a wrong value there."""
    show_to_git(params_file)
    try:
        yield
    except UserError as error:
        # An experiment in a copy of the repository does not change the params.yaml that the person edits.
        in_workspace = repository_root(Path.cwd()) == Path.cwd() and params_file.exists()
        if "DVC_EXP_NAME" not in os.environ or not in_workspace:
            raise
        way_back = f"{params_file} has this value now: to undo all changes in it, type git restore {params_file}"
        raise UserError(f"{error}; {way_back}") from None


def run_stage(main: Callable[[], None]) -> NoReturn:
    """Check that DVC started this stage, call `main`, and exit as exit_after does."""

    def checked() -> None:
        repository_root(Path.cwd())  # raises outside a DVC repository, even if the stage does not need the root
        _check_origin_of_code()
        if len(sys.argv) > 1:
            given = " ".join(sys.argv[1:])
            raise UserError(f"takes no arguments, but was given {given}: set parameters in params.yaml")
        main()

    exit_after(checked)


def exit_after(main: Callable[[], int | None]) -> NoReturn:
    """Call `main` and exit with the code that it returns; None is 0.

    A UserError prints one line and exits with 1. So does an error of the machine: a full disk, refused access, too
    little memory. An interrupt prints one line and exits with 128 + the signal's number. If the reader of standard
    output has closed it, as `head` does, the process exits with 128 + SIGPIPE and prints nothing. Any other exception
    is a bug and keeps its traceback.
    """
    name = Path(sys.argv[0]).stem
    end_imports()
    signal.signal(signal.SIGTERM, _raise_terminated)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # the locale may be unable to encode a name in a message
    try:
        code = main() or 0
        if sys.stdout:  # None if it is closed
            sys.stdout.flush()
    except UserError as error:
        _exit(f"{name}: {error}", 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes its buffer when it exits
        code = 128 + signal.SIGPIPE
    except (OSError, MemoryError, RuntimeError) as error:
        if (complaint := machine_complaint(error)) is None:
            raise
        _exit(f"{name}: {complaint}", 1)
    except KeyboardInterrupt as interrupt:
        number = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
        _exit(f"{name}: stopped by {signal.Signals(number).name}", 128 + number)
    except SystemExit:  # raised by a rank, to which its launcher may send SIGTERM while it ends
        _end_by_further_signals()
        raise
    finally:
        gc.freeze()  # else the interpreter's end takes a second, looking for garbage in all modules
    sys.exit(code)


@contextmanager
def ignoring_sigterm() -> Iterator[None]:
    """Ignore SIGTERM in the block. Use it where this process is about to end.

    If all processes of a training fail at once, the launcher sends it to those that have not ended yet.
    """
    former = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def machine_complaint(error: BaseException) -> str | None:
    """What to tell the person about an error of the machine, such as a full disk or too little memory; else None."""
    match error:
        case OSError(errno=number, strerror=reason, filename=place) if number in _MACHINE_ERRORS:
            return f"{place or 'a file'} cannot be used ({reason}): fix that and start again"
        case MemoryError():
            return "too little memory: lower the sizes in params.yaml"
        case RuntimeError() if any(sign in str(error) for sign in ("out of memory", "allocate memory")):
            # On the CPU, torch raises a plain RuntimeError for it.
            return "too little memory: lower batch_size or the model's sizes in params.yaml"
    return None


def _exit(line: str, code: int) -> NoReturn:
    _end_by_further_signals()
    print(line, file=sys.stderr)
    sys.exit(code)


def _end_by_further_signals() -> None:
    """Let a further signal end the process silently. Otherwise it prints a traceback from Python's exit handlers."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _raise_terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _check_origin_of_code() -> None:
    # With an installed copy of the package, a queued experiment would run the workspace's code, not its snapshot's.
    code, here = Path(str(mnist_vae.__file__)).resolve(), Path.cwd().resolve()
    if here not in code.parents:
        raise UserError(
            f"would run the code in {code.parent} instead of that in {here}: start it by `dvc repro`, which sets"
            " PYTHONPATH"
        )
