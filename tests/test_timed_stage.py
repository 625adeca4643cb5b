"""The stopwatch that tells what a stage's seconds go to."""

import time
from contextlib import suppress

from timed_stage import Stopwatch


class Worker:
    def sleep(self, seconds: float) -> str:
        time.sleep(seconds)
        return "rested"


def test_seconds_are_counted_under_the_first_name_alone_and_results_handed_on() -> None:
    watch, worker = Stopwatch(), Worker()
    watch.watch(worker, "sleep", "inner")
    assert watch.timed("outer", worker.sleep, 0.05) == "rested"
    assert worker.sleep(0.02) == "rested"
    assert watch.seconds.keys() == {"outer", "inner"}
    assert watch.seconds["outer"] >= 0.05
    assert watch.seconds["inner"] >= 0.02


def test_seconds_of_what_fails_are_counted_too() -> None:
    watch = Stopwatch()
    with suppress(ValueError):
        watch.timed("failing", int, "no number")
    assert watch.timed("after", int, "7") == 7
    assert watch.seconds.keys() == {"failing", "after"}
