"""Training throughput compared with other implementations, in turns on one machine.

Each contestant is a process of its own that waits for its turns. The network, the loss terms and the batch size are the
same, unless a contestant's name says otherwise. torch's FlopCounterMode counts the operations of a step, forward and
backward, for the network as the tutorial writes it. The rate of training is compared with the machine's peak rates: in
a matrix product of 1024 × 1024, and in a 3×3 convolution of 64 channels.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO, NamedTuple, cast

import torch
import yaml
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from measure import ROOT, command_line, emulates, measured_on, run, save, spread
from mnist_vae.common import paths
from mnist_vae.common.device import find_device
from mnist_vae.common.params import ModelParams, load_params
from mnist_vae.console.stage import UserError
from mnist_vae.model.networks.conv import Decoder, Encoder

_FOLDER = ROOT / "benchmarks" / "contestants"
_OURS = "this project"
_OPTIONS: dict[str, dict] = {
    _OURS: {},
    f"{_OURS}, deterministic: false": {"deterministic": False},
    f"{_OURS}, threads: 1": {"threads": 1},
    f"{_OURS}, threads: 1, processes: 2": {"threads": 1, "processes": 2},
}
# What is as good as params.yaml in fewer epochs: a preset, with further changes.
_PRESET = "conv-fast"
_RECIPES: dict[str, dict] = {_PRESET: {}, f"{_PRESET}, precision: bfloat16": {"precision": "bfloat16"}}
_TIMES = 30  # repetitions of the machine's work in a turn


class Contestant:
    """A process that runs its training when it is asked to."""

    def __init__(self, process: subprocess.Popen[str]):
        self._process = process
        self._asks, self._answers = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
        while self._read() != "ready":
            pass

    def run(self) -> float:
        """The seconds that one run takes."""
        self._asks.write("run\n")
        self._asks.flush()
        return json.loads(self._read())["seconds"]

    def _read(self) -> str:
        line = self._answers.readline()
        if not line:
            raise UserError(f"{' '.join(map(str, cast('list', self._process.args)))} ended: see above")
        return line.strip()


@contextmanager
def contestant(command: Sequence[str], variables: Mapping[str, str] = MappingProxyType({})) -> Iterator[Contestant]:
    """Start a contestant with further environment variables, and end it with the block."""
    # TQDM_DISABLE turns off pythae's progress bar.
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "TQDM_DISABLE": "1", **variables}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            yield Contestant(process)
        except BaseException:
            process.terminate()
            raise
        process.communicate()  # closing its input ends it


def main() -> None:
    parser = command_line(__doc__, "throughput")
    parser.add_argument("--peer", default=".venv-pythae/bin/python", help="Python with contestants/pythae.txt")
    parser.add_argument("--images", type=int, default=6400, help="images of a run")
    parser.add_argument("--repeats", type=int, default=7, help="counted runs of each contestant")
    arguments = parser.parse_args()
    if not Path(arguments.peer).exists():
        raise UserError(f"{arguments.peer} is missing: `make bench` makes it")
    params = load_params(paths.PARAMS).of_model()
    preset = yaml.safe_load(Path("presets.yaml").read_text("utf-8"))[_PRESET]
    device = find_device(params.device)
    native = {name: changes for name, changes in _RECIPES.items() if not emulates(changes.get("precision"), device)}
    recipes = {name: f"{_OURS}, preset {name}" for name in native}
    options = _OPTIONS | {recipes[name]: preset | changes for name, changes in native.items()}
    commands = _commands(params, options, arguments.peer, str(arguments.images))
    measured, work = measured_on(params), _work_of_machine(device)
    seconds = _take_turns(commands, work, arguments.repeats)
    trainings = {name: params.model_copy(update=options.get(name, {})) for name in commands}
    operations = {name: _TIMES * one.operations for name, one in work.items()}
    images = {name: sum(training.images_of_epochs(training.train_size or 0)) for name, training in trainings.items()}
    whole = {name: [count / arguments.images * one for one in seconds[name]] for name, count in images.items()}
    content = {
        **measured,
        "recipes": list(recipes),
        "images_a_run": arguments.images,
        "repeats": arguments.repeats,
        "rows": {
            name: _row(seconds[name], seconds[_OURS], arguments.images)
            | {
                "images_of_a_whole_training": images[name],
                "seconds_of_a_whole_training_at_that_rate": spread(whole[name]),
                "whole_training_relative_to": {
                    recipe: _ratios(whole[name], whole[ours]) for recipe, ours in recipes.items()
                },
            }
            for name in trainings
        },
        "roofline": _roofline(_operations_per_image(params), arguments.images, seconds, operations),
    }
    save(content, arguments.result)


def _commands(params: ModelParams, options: Mapping[str, dict], peer: str, images: str) -> dict[str, list[str]]:
    def ours(script: str, *arguments: str) -> list[str]:
        return [sys.executable, str(_FOLDER / script), *arguments]

    of_peer = [str(_FOLDER / "peer.py"), str(paths.PREPARED), images, params.model_dump_json()]
    return {
        "tutorial, DataLoader in the process": ours("tutorial.py", images, "0"),
        "tutorial, DataLoader with 4 workers": ours("tutorial.py", images, "4"),
        "pythae 0.1.2, tensors in memory": [peer, *of_peer],
        **{name: ours("ours.py", images, json.dumps(changes)) for name, changes in options.items()},
    }


class _Work(NamedTuple):
    """Work that measures the machine's peak rate, and its number of floating point operations."""

    do: Callable[[], Tensor]
    operations: int

    def run(self) -> float:
        """The seconds of _TIMES repetitions."""
        start = time.perf_counter()
        results = [self.do() for _ in range(_TIMES)]
        results[-1].flatten()[0].item()  # waits for a GPU
        return time.perf_counter() - start


def _work_of_machine(device: torch.device) -> dict[str, _Work]:
    matrix = torch.randn(1024, 1024, device=device)
    images = torch.randn(64, 64, 16, 16, device=device).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(64, 64, 3, 3, device=device)
    return {
        "matrix product": _Work(lambda: matrix @ matrix, 2 * 1024**3),
        "convolution": _Work(lambda: nn.functional.conv2d(images, weight, padding=1), 2 * 64 * 64**2 * 9 * 16**2),
    }


def _take_turns(
    commands: Mapping[str, Sequence[str]], work: Mapping[str, _Work], repeats: int
) -> dict[str, list[float]]:
    """The seconds of each contestant and of the machine's work in each turn. A first turn is not counted."""
    with ExitStack() as stack:
        contestants = {name: stack.enter_context(contestant(command)) for name, command in commands.items()}
        turns = []
        for repeat in range(repeats + 1):
            turns.append({name: one.run() for name, one in [*contestants.items(), *work.items()]})
            shown = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in turns[-1].items())
            print(f"turn {repeat}: {shown}", flush=True)
    return {name: [turn[name] for turn in turns[1:]] for name in turns[0]}


def _row(theirs: Sequence[float], ours: Sequence[float], images: int) -> dict:
    return {
        "images_per_second": spread([images / one for one in theirs]),
        "speed_of_this_project_relative_to_it": _ratios(theirs, ours),
    }


def _ratios(theirs: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    """The spread of the ratios of each turn."""
    return spread([their / our for our, their in zip(ours, theirs, strict=True)])


def _roofline(
    per_image: float, images: int, seconds: Mapping[str, Sequence[float]], operations: Mapping[str, float]
) -> dict:
    """The rates of training and of the machine's work, and training's share of the matrix product's rate by turn."""
    work = {**operations, _OURS: per_image * images}
    rates = {name: [count / one / 1e9 for one in seconds[name]] for name, count in work.items()}
    share = [our / peak for our, peak in zip(rates[_OURS], rates["matrix product"], strict=True)]
    return {
        "floating point operations per image": per_image,
        "GFLOP/s": {name: spread(values) for name, values in rates.items()},
        "share of the matrix product's rate": spread(share),
    }


def _operations_per_image(params: ModelParams) -> float:
    encoder = Encoder(params.image_size, params.conv_channels, 2 * params.latent_dim)
    decoder = Decoder(params.image_size, params.conv_channels, params.latent_dim, nn.Tanh)
    with FlopCounterMode(display=False) as counter:
        codes, _ = encoder(torch.zeros(2, 1, params.image_size, params.image_size)).chunk(2, dim=1)
        decoder(codes).sum().backward()
    return counter.get_total_flops() / 2


if __name__ == "__main__":
    run(main)
