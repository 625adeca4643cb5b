"""Seconds and memory of `dvc repro` in a fresh clone, by stage and by what they go to, into a JSON file.

The stages are the clone's own, started by DVC; its `python` is timed_stage.py. MNIST_MIRROR must name a folder: the
network's speed is not the project's.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measurement import machine
from mnist_vae.common.device import prepare_device
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import UserError, run_stage

_NO_OPS = 3


def main(result: Path) -> None:
    mirror = Path(os.environ.get("MNIST_MIRROR", "")).resolve()
    if "MNIST_MIRROR" not in os.environ or not mirror.is_dir():
        raise UserError("needs MNIST_MIRROR, a folder with the original files")
    params = load_params(Path("params.yaml")).of_model()
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    with tempfile.TemporaryDirectory() as temporary:
        clone, seconds = Path(temporary) / "clone", Path(temporary) / "seconds"
        subprocess.run(["git", "clone", "--quiet", ".", str(clone)], check=True)
        stand_in = Path(temporary) / "bin" / "python"
        stand_in.parent.mkdir()
        stand_in.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).parent / "timed_stage.py"} "$@"\n')
        stand_in.chmod(0o755)
        path = os.pathsep.join([str(stand_in.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
        variables = {"PATH": path, "MNIST_MIRROR": str(mirror), "STAGE_SECONDS": str(seconds)}
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
        total = _seconds_of_repro(clone, environment)
        content = {
            "machine": machine(device),
            "seconds of dvc repro in a fresh clone": total,
            "stages": [json.loads(line) for line in seconds.read_text().splitlines()],
            "seconds of dvc repro when nothing changed": [
                _seconds_of_repro(clone, environment) for _ in range(_NO_OPS)
            ],
        }
    result.write_text(json.dumps(content, indent=2) + "\n")
    print(json.dumps(content, indent=2))


def _seconds_of_repro(clone: Path, environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(["dvc", "repro", "--quiet"], cwd=clone, env=environment, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    run_stage(main)
