"""What every command here shares: the repository's root, its package on the path, and how the command ends."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))


def run_command(main: Callable[[], int | None]) -> NoReturn:
    """Call `main` and exit with its code: 0 for None, 1 with one line after a UserError, 128 + the signal's number with
    one line after SIGINT or SIGTERM.
    """
    from mnist_vae.console.stage import Terminated, UserError

    def terminate(_number: int, _frame: FrameType | None) -> NoReturn:
        raise Terminated

    name = Path(sys.argv[0]).stem
    signal.signal(signal.SIGTERM, terminate)
    # A shell lets its background jobs ignore SIGINT, which what they start would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.exit(main())
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt as interrupt:
        number = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
        print(f"{name}: stopped by {number.name}", file=sys.stderr)
        sys.exit(128 + number)
