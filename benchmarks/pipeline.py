"""Seconds and memory of `dvc repro` in a fresh clone, by stage and by activity.

DVC starts the clone's own stages, with timed_stage.py in place of `python`. The original files come from this
repository, so that the speed of the network is not measured.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import command_line, measured_on, run, save
from mnist_vae.common import paths
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import UserError
from stage_runs import TIMED_STAGE, Clone, original_files


def main() -> None:
    parser = command_line(__doc__, "pipeline")
    parser.add_argument("--idle", type=int, default=3, help="how often `dvc repro` runs again when nothing changed")
    arguments = parser.parse_args()
    params = load_params(paths.PARAMS).of_model()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        python = _stand_in_python(folder / "bin")
        path = os.pathsep.join([str(python.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
        clone = Clone(folder / "clone", variables={"PATH": path, "MNIST_MIRROR": str(original_files(params.dataset))})
        content = {
            **measured_on(params),
            "seconds of dvc repro in a fresh clone": _seconds_of_repro(clone),
            "stages": [cost._asdict() for cost in clone.costs()],
            "seconds of dvc repro when nothing changed": [_seconds_of_repro(clone) for _ in range(arguments.idle)],
        }
    save(content, arguments.result)


def _stand_in_python(folder: Path) -> Path:
    """The program that DVC finds as `python`."""
    folder.mkdir()
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{TIMED_STAGE}" "$@"\n')
    python.chmod(0o755)
    return python


def _seconds_of_repro(clone: Clone) -> float:
    start = time.perf_counter()
    done = subprocess.run(["dvc", "repro", "--quiet"], cwd=clone.folder, env=clone.environment, check=False)
    if done.returncode:
        raise UserError(f"`dvc repro` ended with {done.returncode}: see above")
    return time.perf_counter() - start


if __name__ == "__main__":
    run(main)
