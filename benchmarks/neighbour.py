"""How much slower a training is beside another busy program, and two trainings beside each other.

A training runs in one of two ways: as the train stage does, with each thread on a CPU of its own and waiting threads
soon asleep, or as torch and Linux do by default. Each turn takes each way alone, beside a busy process, and twice at
once. The trainings are processes that wait for their turns. They run on the CPU.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from measure import ROOT, command_line, measured_on, run, save, spread
from mnist_vae.common import paths
from mnist_vae.common.params import load_params
from throughput import Contestant, contestant

_OURS = [sys.executable, str(ROOT / "benchmarks" / "contestants" / "ours.py")]
_CHANGES = json.dumps({"device": "cpu"})
_SPINS_OF_LIBGOMP = "300000"  # its default
_WAYS = {
    "as the train stage": ([], {}),
    "as torch and Linux do": (["--unbound"], {"GOMP_SPINCOUNT": _SPINS_OF_LIBGOMP}),
}


def main() -> None:
    parser = command_line(__doc__, "neighbour")
    parser.add_argument("--images", type=int, default=6400, help="images of a run")
    parser.add_argument("--repeats", type=int, default=5, help="counted turns")
    arguments = parser.parse_args()
    params = load_params(paths.PARAMS).of_model().model_copy(update={"device": "cpu"})
    with ExitStack() as stack:
        pairs = {
            way: [
                stack.enter_context(contestant([*_OURS, str(arguments.images), _CHANGES, *options], variables))
                for _ in range(2)
            ]
            for way, (options, variables) in _WAYS.items()
        }
        turns = []
        for repeat in range(arguments.repeats + 1):  # a first turn is not counted
            turns.append({way: _turn(*pair) for way, pair in pairs.items()})
            print(f"neighbour: turn {repeat}: {turns[-1]}", flush=True)
    rows = {way: {place: spread([turn[way][place] for turn in turns[1:]]) for place in turns[0][way]} for way in _WAYS}
    save({**measured_on(params), "images_a_run": arguments.images, "seconds": rows}, arguments.result)


def _turn(first: Contestant, second: Contestant) -> dict[str, float]:
    """The seconds of a training alone, beside a busy process, and of the slower of two at once."""
    alone = first.run()
    with _busy_process():
        beside = first.run()
    with ThreadPoolExecutor(2) as pool:
        both = max(pool.map(lambda training: training.run(), (first, second)))
    return {"alone": alone, "beside a busy process": beside, "two trainings at once": both}


@contextmanager
def _busy_process() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    run(main)
