"""The protocol by which a contestant is asked to run, over its standard input and output. It needs only Python."""

import json
import sys
import time
from collections.abc import Callable


def answer(run: Callable[[], object]) -> None:
    """For each line of standard input, call `run` once and print the seconds that it took."""
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)
