"""Run a stage as its command line says, on a data set of other sizes and without tracking, and write its peak memory.

    python measured_stage.py TRAIN_SIZE TEST_SIZE REPORT stages/STAGE.py PATH...

What MLflow is to have does not grow with the data, and its process is another one.
"""

import runpy
import sys
from pathlib import Path

from mnist_vae.common.catalogue import DATASETS
from untracked_stage import leave_tracking_out


def main(train_size: int, test_size: int, report: Path) -> None:
    DATASETS["mnist"] = DATASETS["mnist"]._replace(train_size=train_size, test_size=test_size)
    if Path(sys.argv[0]).stem != "preprocess":
        leave_tracking_out()
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        report.write_text(Path("/proc/self/status").read_text())


if __name__ == "__main__":
    train_size, test_size, report, *command = sys.argv[1:]
    sys.argv = command
    main(int(train_size), int(test_size), Path(report))
