"""What all tools share: the repository's root, its package on the import path, and how the command ends."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from mnist_vae.console.early import end_in_a_line  # noqa: E402 (the path comes first)

end_in_a_line()


def run_command(main: Callable[[], int | None]) -> NoReturn:
    """Call `main` and exit as a stage does."""
    from mnist_vae.console.stage import exit_after

    # A shell makes its background jobs ignore SIGINT, and child processes would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    exit_after(main)
