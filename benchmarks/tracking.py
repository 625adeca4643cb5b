"""What tracking costs: the stages as they are, without MLflow, and with a tracking server that never answers.

Over one epoch, in turns: the seconds of a whole training differ by more than that. Each further epoch adds a write to
a file, and what the recorder computes beside the training.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import yaml

from measurement import machine, spread
from mnist_vae.common.device import prepare_device
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import run_stage

_STAGES = ("train", "evaluate", "render")  # those that track
_ROUNDS = 3


class _Silent(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(600)

    do_POST = do_GET  # noqa: N815 (the name is http.server's)


def main(prepared_path: Path, result_path: Path) -> None:
    params = load_params(Path("params.yaml")).of_model()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Silent)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    manners = {
        "without": ([sys.executable, str(Path(__file__).parent / "untracked_stage.py")], {}),
        "with": ([sys.executable], {}),
        "with a server that does not answer": (
            [sys.executable],
            {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{server.server_port}"},
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in manners}
    for _ in range(_ROUNDS):
        for name, (python, variables) in manners.items():
            seconds[name].append(_run(python, variables, prepared_path))
            print(f"{name}: {seconds[name][-1]:.1f} s", flush=True)
    added = {
        name: [one - bare for one, bare in zip(measured, seconds["without"], strict=True)]
        for name, measured in seconds.items()
        if name != "without"
    }
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    content = {
        "machine": machine(device),
        "epochs": 1,
        "seconds of the stages that track": seconds,
        "seconds added": {name: spread(values) for name, values in added.items()},
        "seconds of these stages in a default run, by benchmarks/pipeline.json": _default_seconds(),
        "median share of that": {
            name: statistics.median(values) / _default_seconds() for name, values in added.items()
        },
    }
    result_path.write_text(json.dumps(content, indent=2) + "\n")
    print(json.dumps(content, indent=2))


def _default_seconds() -> float:
    stages = json.loads(Path("benchmarks/pipeline.json").read_text())["stages"]
    return sum(stage["seconds"] for stage in stages if stage["stage"] in _STAGES)


def _run(python: list[str], variables: dict[str, str], prepared: Path) -> float:
    """The seconds that the stages take, in a new repository with its store made, as after a first run."""
    stages = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "clone"
        subprocess.run(["git", "clone", "--quiet", ".", str(folder)], check=True)
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / prepared.name).symlink_to(prepared.resolve())
        (folder / "models").mkdir()
        params = folder / "params.yaml"
        params.write_text(re.sub(r"^epochs: \d+", "epochs: 1", params.read_text(), flags=re.MULTILINE))
        environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        environment |= {"PYTHONPATH": "src"} | variables
        store = "from pathlib import Path; from mnist_vae.tracking.store import open_store; open_store(Path.cwd())"
        if not variables:
            subprocess.run([sys.executable, "-c", store], cwd=folder, env=environment, check=True)
        start = time.perf_counter()
        for stage in _STAGES:
            script = stages[stage]["cmd"].split("python ")[1].split()
            subprocess.run([*python, *script], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


if __name__ == "__main__":
    run_stage(main)
