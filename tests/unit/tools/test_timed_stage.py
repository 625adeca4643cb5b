"""The clock that tells what a stage's seconds go to, and the tracking that it leaves out."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

import timed_stage
from places import REPOSITORY
from timed_stage import Stopwatch, untracked_run

SRC = REPOSITORY / "src"


class Worker:
    """Each of its calls takes as long as the clock is asked for."""

    def work(self) -> str:
        return "done"


@contextmanager
def working() -> Iterator[Worker]:
    yield Worker()


@pytest.fixture
def watch() -> Stopwatch:
    """Its clock moves by one second each time it is read, so what is counted takes one."""
    seconds = count()
    return Stopwatch(clock=lambda: float(next(seconds)))


def test_nested_seconds_count_only_for_the_outer_name_and_results_are_returned(watch: Stopwatch) -> None:
    assert watch.timed("outer", lambda: watch.timed("inner", Worker().work)) == "done"
    assert watch.timed("inner", int, "7") == 7
    assert watch.seconds == {"outer": 1, "inner": 1}


def test_seconds_of_what_fails_are_counted_too(watch: Stopwatch) -> None:
    with suppress(ValueError):
        watch.timed("failing", int, "no number")
    assert watch.timed("failing", int, "7") == 7
    assert watch.seconds == {"failing": 2}


def test_time_of_a_context_manager_includes_enter_exit_and_methods_of_its_value(watch: Stopwatch) -> None:
    with watch.watched("block", working)() as worker:
        assert watch.seconds == {"block": 1}
        assert worker.work() == "done"
        assert watch.seconds == {"block": 2}
    assert watch.seconds == {"block": 3}


def test_block_is_told_of_an_exception(watch: Stopwatch) -> None:
    seen = []

    @contextmanager
    def telling() -> Iterator[Worker]:
        try:
            yield Worker()
        except KeyError as error:
            seen.append(error)
            raise

    with pytest.raises(KeyError), watch.watched("block", telling)():
        raise KeyError
    assert len(seen) == 1


@pytest.mark.parametrize("untracked", [True, False])
def test_stages_that_track_are_given_the_replaced_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watch: Stopwatch, *, untracked: bool
) -> None:
    from mnist_vae.common import atomic
    from mnist_vae.tracking import run

    for module, name in ((atomic, "write_atomically"), (run, "tracked_run")):
        monkeypatch.setattr(module, name, getattr(module, name))
    original = run.tracked_run
    (tmp_path / "stage.py").write_text("from mnist_vae.tracking.run import tracked_run")
    timed_stage.replace_parts(watch, tmp_path / "stage.py", untracked=untracked)
    assert (run.tracked_run is untracked_run) == untracked
    assert run.tracked_run is not original


def test_run_that_is_not_tracked_is_a_callback_that_does_nothing() -> None:
    with untracked_run("train", None) as run:
        run.on_step(None)
        run.on_epoch_end(None)
