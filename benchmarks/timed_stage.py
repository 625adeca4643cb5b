"""Run a stage as Python does, and append its cost as a line of JSON to the file that STAGE_COSTS names.

The cost is the seconds of importing, tracking, writing files and computing, and the peak memory.

    python timed_stage.py [--untracked] stages/STAGE.py

--untracked: tracking does nothing.
"""

import argparse
import atexit
import builtins
import json
import os
import resource
import runpy
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_START = time.perf_counter()


class Stopwatch:
    """Adds up seconds by name. An action that begins during another one is counted under the other one's name."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self.seconds: dict[str, float] = {}
        self._clock, self._running = clock, False

    def timed(self, name: str, action: Callable, *arguments: object, **named: object) -> Any:
        """Call the action, and count its seconds."""
        if self._running:
            return action(*arguments, **named)
        self._running, start = True, self._clock()
        try:
            return action(*arguments, **named)
        finally:
            self._running = False
            self.seconds[name] = self.seconds.get(name, 0.0) + self._clock() - start

    def watched(self, name: str, manager: Callable[..., AbstractContextManager]) -> Callable:
        """The context manager with its start, its end and the methods of the yielded object counted."""

        @contextmanager
        def counted(*arguments: object) -> Iterator["_Watched"]:
            with ExitStack() as block:
                yield _Watched(self, name, self.timed(name, block.enter_context, manager(*arguments)))
                self.timed(name, block.close)

        return counted


class _Watched:
    def __init__(self, watch: Stopwatch, name: str, inner: object):
        self._timed, self._inner = partial(watch.timed, name), inner

    def __getattr__(self, name: str) -> Callable:
        return partial(self._timed, getattr(self._inner, name))


def untracked_run(*_: object) -> AbstractContextManager:
    """Replaces tracked_run, and logs nothing."""
    return nullcontext(SimpleNamespace(on_step=lambda _: None, on_epoch_end=lambda _: None))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--untracked", action="store_true")
    parser.add_argument("script", type=Path)
    arguments = parser.parse_args()
    watch, original = Stopwatch(), builtins.__import__

    def counted(name: str, *rest: Any, **named: Any) -> object:
        if name in sys.modules:  # this takes no time, and is too frequent to be counted
            return original(name, *rest, **named)
        return watch.timed("imports", original, name, *rest, **named)

    builtins.__import__ = counted
    replace_parts(watch, arguments.script, untracked=arguments.untracked)
    atexit.register(_write, watch, arguments.script.stem)  # registered first, so called last
    sys.argv = [str(arguments.script)]
    sys.path[0] = str(arguments.script.parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


def replace_parts(watch: Stopwatch, script: Path, *, untracked: bool) -> None:
    """Replace the counted functions, before the stage and its modules import them."""
    from mnist_vae.common import atomic

    atomic.write_atomically = partial(watch.timed, "writing", atomic.write_atomically)
    if "mnist_vae.tracking" in script.read_text("utf-8"):  # it imports torch; other stages do not
        from mnist_vae.tracking import run

        run.tracked_run = untracked_run if untracked else watch.watched("tracking", run.tracked_run)


def _write(watch: Stopwatch, stage: str) -> None:
    seconds = time.perf_counter() - _START
    parts = {name: watch.seconds.get(name, 0.0) for name in ("imports", "tracking", "writing")}
    cost = {"stage": stage, "seconds": seconds, **parts, "compute": seconds - sum(parts.values())}
    with Path(os.environ["STAGE_COSTS"]).open("a") as file:
        file.write(json.dumps(cost | {"peak_bytes": _peak_bytes()}) + "\n")


def _peak_bytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would include the memory of the process that started this one
        lines = dict(line.split(":", 1) for line in status.read_text("utf-8").splitlines())
        return 1024 * int(lines["VmHWM"].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
