"""How the time of a training step is divided among operations, measured by torch's profiler.

An operation's time does not include the operations that it calls. The rest of a step's time includes Python and the
profiler itself.
"""

import os
import time

os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # read when torch is imported; otherwise it logs to the terminal

from torch.profiler import ProfilerActivity, profile

from measure import command_line, measured_on, run, save
from mnist_vae.common import paths
from mnist_vae.common.device import place, prepare_device
from mnist_vae.common.params import load_params
from mnist_vae.data.prepared import load_prepared
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.training.loop import TrainingImages, fit
from mnist_vae.training.state import Training

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


class _SecondEpoch:
    """A callback that profiles the second epoch, because the first steps set things up for the later ones."""

    def __init__(self) -> None:
        self.profile = profile(activities=[ProfilerActivity.CPU])
        self.seconds = 0.0

    def on_step(self, training: Training) -> None:
        pass

    def on_epoch_end(self, training: Training) -> None:
        if len(training.histories) == 1:
            self.profile.start()
            self.seconds = -time.perf_counter()
        else:
            self.seconds += time.perf_counter()
            self.profile.stop()


def main() -> None:
    parser = command_line(__doc__, "step_profile")
    parser.add_argument("--steps", type=int, default=200, help="how many are profiled")
    arguments = parser.parse_args()
    params = load_params(paths.PARAMS).of_model().model_copy(update={"epochs": 2})
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    prepared, second_epoch = load_prepared(paths.PREPARED), _SecondEpoch()
    train = place(prepared.train.images[: arguments.steps * params.batch_size], device)
    images = TrainingImages(train, place(prepared.validation.images[:1], device))
    fit(build_autoencoder(params).to(device), images, params, callbacks=[second_epoch])
    steps = -(-len(train) // params.batch_size)
    parts = dict.fromkeys(_KINDS, 0.0)
    for event in second_epoch.profile.key_averages():
        if kind := _kind(event.key):
            parts[kind] += event.self_cpu_time_total / 1e3 / steps
    whole = second_epoch.seconds * 1e3 / steps
    ordered = sorted(parts.items(), key=lambda part: -part[1])
    content = {
        **measured_on(params),
        "images_a_step": params.batch_size,
        "steps": steps,
        "milliseconds_a_step": whole,
        "parts": {
            kind: {"milliseconds": part, "share": part / whole}
            for kind, part in [*ordered, (_REST, whole - sum(parts.values()))]
        },
    }
    save(content, arguments.result)


def _kind(operation: str) -> str | None:
    return next((kind for kind, signs in _KINDS.items() if any(sign in operation for sign in signs)), None)


if __name__ == "__main__":
    run(main)
