"""Training throughput against what people would otherwise run, in turns on one machine, into a JSON file.

Each contestant is a process of its own that waits for its turns. The network, the loss's terms and the batch are the
same, unless a contestant's name says otherwise. The work of a step is counted by torch's FlopCounterMode on the plain
network, forward and backward, and compared with what the machine reaches at best.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, cast

import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode

from contestants.plain_network import Decoder, Encoder, loss
from measurement import machine, spread
from mnist_vae.common.device import prepare_device
from mnist_vae.common.params import ModelParams, load_params
from mnist_vae.console.stage import run_stage

_FOLDER = Path(__file__).parent / "contestants"
_IMAGES = 6400
_REPEATS = 7
_OURS = "this project"
_OPTIONS: dict[str, dict] = {
    _OURS: {},
    f"{_OURS}, deterministic: false": {"deterministic": False},
    f"{_OURS}, threads: 1": {"threads": 1},
    f"{_OURS}, threads: 1, processes: 2": {"threads": 1, "processes": 2},
}
_RECIPE = "conv-fast"  # a preset that is as good as params.yaml in fewer epochs
_MACHINE = {"matrix product": "matmul", "convolution": "convolution"}


class Contestant:
    """A process that runs when it is asked to."""

    def __init__(self, python: str, script: str, *arguments: str):
        command = [python, str(_FOLDER / script), *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._asks, self._answers = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        self.said = ""
        while (line := self._read()) != "ready":
            self.said = line

    def run(self) -> float:
        """The seconds that one run takes."""
        self._asks.write("run\n")
        self._asks.flush()
        return json.loads(self._read())["seconds"]

    def end(self) -> None:
        """Let the process end."""
        self._process.communicate()

    def _read(self) -> str:
        line = self._answers.readline()
        if not line:
            raise SystemExit(f"{self._process.args} ended: see above")
        return line.strip()


def main(raw: Path, prepared: Path, peer_python: Path, result: Path) -> None:
    params = load_params(Path("params.yaml")).of_model()
    recipe = yaml.safe_load(Path("presets.yaml").read_text())[_RECIPE]
    options = _OPTIONS | {f"{_OURS}, preset {_RECIPE}": recipe}
    shared = {name: getattr(params, name) for name in _SHARED}
    tutorial, ours = (sys.executable, "tutorial.py", str(raw)), (sys.executable, "ours.py", str(prepared))
    os.environ["TQDM_DISABLE"] = "1"  # pythae would draw a progress bar
    contestants = {
        "tutorial, DataLoader in the process": Contestant(*tutorial, str(_IMAGES), "0"),
        "tutorial, DataLoader with 4 workers": Contestant(*tutorial, str(_IMAGES), "4"),
        "pythae 0.1.2, tensors in memory": Contestant(
            str(peer_python), "peer.py", str(prepared), str(_IMAGES), json.dumps(shared)
        ),
        **{name: Contestant(*ours, str(_IMAGES), json.dumps(changes)) for name, changes in options.items()},
        **{name: Contestant(sys.executable, "machine.py", what) for name, what in _MACHINE.items()},
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for repeat in range(_REPEATS + 1):
        for name, contestant in contestants.items():
            taken = contestant.run()
            print(f"{name}: {taken:.2f} s{'' if repeat else ' (not counted)'}", flush=True)
            if repeat:
                seconds[name].append(taken)
    operations = {name: float(contestants[name].said) for name in _MACHINE}
    for contestant in contestants.values():
        contestant.end()
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    content = {
        "machine": machine(device),
        "images_a_run": _IMAGES,
        "repeats": _REPEATS,
        "rows": {
            name: _row(values, seconds[_OURS], params.model_copy(update=options.get(name, {})))
            for name, values in seconds.items()
            if name not in _MACHINE
        },
        "roofline": _roofline(params, seconds, operations),
    }
    result.write_text(json.dumps(content, indent=2) + "\n")


_SHARED = ("threads", "base_channels", "latent_dim", "batch_size", "learning_rate", "adam_betas", "device")


def _row(theirs: list[float], ours: list[float], params: ModelParams) -> dict:
    images = params.epochs * params.train_size
    return {
        "images_per_second": spread([_IMAGES / one for one in theirs]),
        "speed_of_this_project_relative_to_it": spread([their / our for our, their in zip(ours, theirs, strict=True)]),
        "images_of_a_whole_training": images,
        "seconds_of_a_whole_training_at_that_rate": spread([images / _IMAGES * one for one in theirs]),
    }


def _roofline(params: ModelParams, seconds: dict[str, list[float]], operations: dict[str, float]) -> dict:
    """How near training comes to what the machine reaches, turn by turn."""
    work = _operations_per_image(params)
    best = {name: [operations[name] / one / 1e9 for one in seconds[name]] for name in operations}
    reached = [work * _IMAGES / one / 1e9 for one in seconds[_OURS]]
    return {
        "floating point operations per image": work,
        "GFLOP/s": {name: spread(values) for name, values in [*best.items(), (_OURS, reached)]},
        "share of the matrix product's rate": spread(
            [mine / peak for mine, peak in zip(reached, best["matrix product"], strict=True)]
        ),
    }


def _operations_per_image(params: ModelParams) -> float:
    encoder = Encoder(params.base_channels, params.latent_dim)
    decoder = Decoder(params.base_channels, params.latent_dim)
    with FlopCounterMode(display=False) as counter:
        loss(encoder, decoder, torch.zeros(params.batch_size, 1, 32, 32), params.kl_weight).backward()
    return counter.get_total_flops() / params.batch_size


if __name__ == "__main__":
    run_stage(main)
