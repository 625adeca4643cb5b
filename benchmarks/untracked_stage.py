"""Run a stage as its command line says, with tracking that does nothing.

python untracked_stage.py stages/STAGE.py PATH...
"""

import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self


class _Nobody:
    """Stands for the recorder, and for the run that a stage tells of itself."""

    def __init__(self, root: Path, _stage: str):
        self.root = root

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, _name: str):
        return lambda *_arguments, **_named: None


@contextmanager
def _track_nothing(recorder: _Nobody, *_: object) -> Iterator[_Nobody]:
    yield recorder


def leave_tracking_out() -> None:
    """Let what a stage tells of its run go nowhere."""
    from mnist_vae.tracking import recorder_process, run

    recorder_process.RecorderProcess = _Nobody  # pyright: ignore[reportAttributeAccessIssue]
    run.track_training_run = run.track_known_run = _track_nothing  # pyright: ignore[reportAttributeAccessIssue]


if __name__ == "__main__":
    leave_tracking_out()
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
