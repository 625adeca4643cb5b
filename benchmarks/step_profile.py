"""Where the time of a training step goes, by torch's profiler, into a JSON file.

An operation's own seconds are counted, without those of the operations that it calls; what is left of the steps'
seconds is Python, and the profiler itself.
"""

import json
import time
from pathlib import Path

from torch.profiler import ProfilerActivity, profile

from measurement import machine
from mnist_vae.common.device import place, prepare_device
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import run_stage
from mnist_vae.data.prepared import load_prepared
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.training.loop import Training

_STEPS = 200
_KINDS = {
    "convolutions, gradients": ("convolution_backward",),
    "convolutions, forward": ("convolution",),
    "batch norm": ("batch_norm",),
    "matrix products": ("addmm", "::mm", "matmul", "linear"),
    "Adam": ("adam",),
    "copies": ("copy_", "contiguous", "clone", "_to_copy", "pad", "cat", "index"),
    "ReLU, tanh and other functions of each number": (
        *("relu", "threshold", "tanh", "exp", "mul", "add", "sub", "pow", "square", "div", "sigmoid", "neg"),
    ),
    "sums": ("sum", "mean"),
    "noise": ("normal_", "randn"),
}
_REST = "all else: memory, views, autograd, Python, the profiler"


def main(prepared_path: Path, result_path: Path) -> None:
    params = load_params(Path("params.yaml")).of_model().model_copy(update={"epochs": 2})
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    prepared = load_prepared(prepared_path)
    images = place(prepared.train.images[: _STEPS * params.batch_size], device)
    training = Training(
        build_autoencoder(params).to(device), images, place(prepared.validation.images[:1], device), params
    )
    epochs = training.run()
    next(epochs)  # the first steps set up what later ones have
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        start = time.perf_counter()
        next(epochs)
        seconds = time.perf_counter() - start
    parts = dict.fromkeys([*_KINDS, _REST], 0.0)
    for event in profiled.key_averages():
        parts[_kind(event.key)] += event.self_cpu_time_total / 1e3 / _STEPS
    whole = seconds * 1e3 / _STEPS
    parts[_REST] = whole - sum(part for kind, part in parts.items() if kind != _REST)
    content = {
        "machine": machine(device),
        "images_a_step": params.batch_size,
        "steps": _STEPS,
        "milliseconds_a_step": whole,
        "parts": {
            kind: {"milliseconds": part, "share": part / whole}
            for kind, part in sorted(parts.items(), key=lambda one: (one[0] == _REST, -one[1]))
        },
    }
    result_path.write_text(json.dumps(content, indent=2) + "\n")


def _kind(operation: str) -> str:
    return next((kind for kind, signs in _KINDS.items() if any(sign in operation for sign in signs)), _REST)


if __name__ == "__main__":
    run_stage(main)
