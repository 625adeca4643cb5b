"""The time that tracking adds: the stages with MLflow, without it, and with a tracking server that never answers.

They take turns, with trainings of one epoch: the time of a whole training varies by more than tracking costs.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from measure import ROOT, command_line, measured_on, run, save, spread
from mnist_vae.common import paths
from mnist_vae.common.params import load_params
from stage_runs import Clone

_STAGES = ("train", "evaluate", "render")  # the stages that log to MLflow
_UNTRACKED = "without"


class _Manner(NamedTuple):
    clone: Clone
    options: tuple[str, ...]

    def seconds(self) -> float:
        return sum(self.clone.run(stage, *self.options).seconds for stage in _STAGES)


class _Silent(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(600)

    do_POST = do_GET  # noqa: N815 (the name is http.server's)


def main() -> None:
    parser = command_line(__doc__, "tracking")
    parser.add_argument("--turns", type=int, default=3, help="how often each is measured, after a turn that is not")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _silent_server() as address:
        manners = {
            _UNTRACKED: _Manner(_clone(Path(folder) / "without", {}), ("--untracked",)),
            "with": _Manner(_clone(Path(folder) / "with", {}), ()),
            "with a server that does not answer": _Manner(
                _clone(Path(folder) / "silent", {"MLFLOW_TRACKING_URI": address}), ()
            ),
        }
        # The first turn creates the store and is not counted.
        turns = [{name: manner.seconds() for name, manner in manners.items()} for _ in range(arguments.turns + 1)][1:]
    added = {name: [turn[name] - turn[_UNTRACKED] for turn in turns] for name in manners if name != _UNTRACKED}
    default = _default_seconds()
    content = {
        **measured_on(load_params(paths.PARAMS).of_model()),
        "epochs": 1,
        "seconds of the stages that track": {name: [turn[name] for turn in turns] for name in manners},
        "seconds added": {name: spread(values) for name, values in added.items()},
        "seconds of these stages in a default run, by benchmarks/pipeline.json": default,
        "median share of that": {name: statistics.median(values) / default for name, values in added.items()},
    }
    save(content, arguments.result)


def _clone(folder: Path, variables: Mapping[str, str]) -> Clone:
    clone = Clone(folder, {"epochs": 1}, variables)
    clone.link_original_files()
    clone.run("preprocess")
    return clone


@contextmanager
def _silent_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Silent)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"


def _default_seconds() -> float:
    stages = json.loads((ROOT / "benchmarks" / "pipeline.json").read_text("utf-8"))["stages"]
    return sum(stage["seconds"] for stage in stages if stage["stage"] in _STAGES)


if __name__ == "__main__":
    run(main)
