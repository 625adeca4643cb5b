"""How a command ends while it still imports its modules, which takes seconds."""

import sys
from pathlib import Path
from types import TracebackType

_PACKAGE = "mnist_vae"


def end_in_a_line() -> None:
    """From now on, end this process with one line if it is interrupted or a module is missing.

    A script calls this before its other imports.
    """
    sys.excepthook = _tell


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
