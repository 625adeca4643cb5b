"""Runs a stage as Python would, and adds to a file where its seconds went: import, compute, tracking, writing.

Command line: as Python's. The file is named by STAGE_SECONDS.
"""

import builtins
import json
import os
import resource
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_START = time.perf_counter()


class Stopwatch:
    """Adds up seconds by name. What begins while another name's are counted is counted under that name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._running = False

    def timed(self, name: str, action: Callable, *arguments: object, **named: object) -> object:
        """Do it, and count its seconds."""
        if self._running:
            return action(*arguments, **named)
        self._running, start = True, time.perf_counter()
        try:
            return action(*arguments, **named)
        finally:
            self._running = False
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def watch(self, owner: object, attribute: str, name: str) -> None:
        """Count the seconds of an attribute that is called."""
        original = getattr(owner, attribute)
        setattr(owner, attribute, lambda *arguments, **named: self.timed(name, original, *arguments, **named))


def main() -> None:
    watch, original = Stopwatch(), builtins.__import__

    def counted(name: str, *rest: Any) -> object:
        # What is imported already takes no time, and is asked for too often to be counted.
        return original(name, *rest) if name in sys.modules else watch.timed("import", original, name, *rest)

    from mnist_vae.common import atomic
    from mnist_vae.tracking import recorder_process

    watch.watch(atomic, "write_whole", "writing")
    for method in ("__init__", "begin", "settle", "wake", "close"):
        watch.watch(recorder_process.RecorderProcess, method, "tracking")
    builtins.__import__ = counted
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        total = time.perf_counter() - _START
        parts = {name: watch.seconds.get(name, 0.0) for name in ("import", "tracking", "writing")}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        line = {"stage": Path(sys.argv[0]).stem, "seconds": total, **parts, "compute": total - sum(parts.values())}
        with Path(os.environ["STAGE_SECONDS"]).open("a") as file:
            file.write(json.dumps(line | {"peak MiB": peak}) + "\n")


if __name__ == "__main__":
    main()
