"""Run a stage as its command line says, on a data set of other sizes and without tracking, and write its peak memory.

    python measured_stage.py TRAIN_SIZE TEST_SIZE REPORT stages/STAGE.py PATH...

What MLflow is to have does not grow with the data, and its process is another one.
"""

import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from mnist_vae.datasets import DATASETS


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


def _leave_tracking_out() -> None:
    from mnist_vae.tracking import recorder_process, run

    recorder_process.RecorderProcess = _Nobody  # pyright: ignore[reportAttributeAccessIssue]
    run.track_training_run = run.track_known_run = _track_nothing  # pyright: ignore[reportAttributeAccessIssue]


def main(train_size: int, test_size: int, report: Path) -> None:
    DATASETS["mnist"] = DATASETS["mnist"]._replace(train_size=train_size, test_size=test_size)
    if Path(sys.argv[0]).stem != "preprocess":
        _leave_tracking_out()
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        report.write_text(Path("/proc/self/status").read_text())


if __name__ == "__main__":
    train_size, test_size, report, *command = sys.argv[1:]
    sys.argv = command
    main(int(train_size), int(test_size), Path(report))
