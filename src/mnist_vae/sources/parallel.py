"""Processing many files in threads, in order and with bounded memory.

Threads suffice because Pillow and hashlib release the GIL.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_CHUNK = 8  # files a task: few enough for the memory of large photos, enough to outweigh the cost of a task
_MOST_THREADS = 16

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The function's result for each item, in the items' order. Only a few chunks of items are in memory at a time."""
    threads, rest = min(os.cpu_count() or 1, _MOST_THREADS), iter(items)
    waiting: deque[Future[list[Result]]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        while chunk := list(islice(rest, _CHUNK)):
            waiting.append(pool.submit(_of_all, function, chunk))
            if len(waiting) > 2 * threads:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _of_all(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [function(item) for item in items]
