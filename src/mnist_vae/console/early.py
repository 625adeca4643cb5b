"""How a command ends before it begins: while it imports, which takes seconds."""

import sys
from pathlib import Path
from types import TracebackType

_PACKAGE = "mnist_vae"


def end_in_a_line() -> None:
    """From now on, end this process in one line on an interrupt, and where a module is missing.

    A stage's script calls it before its other imports.
    """
    sys.excepthook = _tell


def _tell(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    command = Path(sys.argv[0]).stem
    match error:
        case KeyboardInterrupt():
            print(f"{command}: stopped by SIGINT", file=sys.stderr)
        case ModuleNotFoundError(name=str(name)) if name.split(".")[0] == _PACKAGE:
            module = f"src/{name.replace('.', '/')}.py"
            # DVC runs a queued experiment in a copy of what Git knows.
            print(f"{command}: {module} is missing: if it is new, git add {module}", file=sys.stderr)
        case ModuleNotFoundError(name=str(name)):
            place = f"{name} is not installed for {sys.executable}"
            print(f"{command}: {place}: make setup, then . .venv/bin/activate", file=sys.stderr)
        case _:
            sys.__excepthook__(kind, error, traceback)
