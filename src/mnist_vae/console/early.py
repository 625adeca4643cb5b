"""How a command begins: its imports take seconds, and it may be stopped in them."""

import gc
import os
import sys
from pathlib import Path
from types import TracebackType

_PACKAGE = "mnist_vae"


# How often a thread of torch looks whether the others have finished before it sleeps: a tenth of the default. Looking
# longer delays the thread for which it waits, if both are on one CPU.
_SPINS = "30000"


def end_in_a_line() -> None:
    """From now on, end this process with one line if it is interrupted or a module is missing.

    A script calls this before its other imports.
    """
    sys.excepthook = _tell


def begin_imports() -> None:
    """Prepare a stage for its imports, which take seconds: as end_in_a_line, and for speed.

    Garbage is not collected until `end_imports`. Looking for it would take a fifth of the time, and imports leave none.
    """
    end_in_a_line()
    gc.disable()
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)  # read when torch is imported


def end_imports() -> None:
    """Collect garbage from now on, but not among what was imported, which lives as long as the process."""
    gc.freeze()
    gc.enable()


def _tell(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    command = Path(sys.argv[0]).stem
    match error:
        case KeyboardInterrupt():
            print(f"{command}: stopped by SIGINT", file=sys.stderr)
        case ModuleNotFoundError(name=str(name)) if name.split(".")[0] == _PACKAGE:
            module = f"src/{name.replace('.', '/')}.py"
            # DVC runs a queued experiment in a copy that has only the files that Git tracks.
            print(f"{command}: {module} is missing: if it is new, git add {module}", file=sys.stderr)
        case ModuleNotFoundError(name=str(name)):
            place = f"{name} is not installed for {sys.executable}"
            print(f"{command}: {place}: make setup, then . .venv/bin/activate", file=sys.stderr)
        case _:
            sys.__excepthook__(kind, error, traceback)
