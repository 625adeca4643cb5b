"""What checkpoints and deterministic algorithms cost a training at the parameters in params.yaml."""

import tempfile
import time
from pathlib import Path

import torch

from measure import command_line, measured_on, run, save, spread
from mnist_vae.common import paths
from mnist_vae.common.device import place, prepare_device
from mnist_vae.common.params import ModelParams, load_params
from mnist_vae.data.prepared import Prepared, load_prepared
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.training.checkpoint import Checkpoint
from mnist_vae.training.loop import Callback, TrainingImages, fit
from mnist_vae.training.state import Training, TrainingState


class TimedCheckpoint(Checkpoint):
    """A checkpoint that counts its seconds: of each time it saves, and as a callback in all."""

    def __init__(self, folder: Path, fingerprint: str):
        super().__init__(folder, fingerprint)
        self.saving: list[float] = []
        self.seconds = 0.0

    def on_step(self, training: Training) -> None:
        start = time.perf_counter()
        super().on_step(training)
        self.seconds += time.perf_counter() - start

    def on_epoch_end(self, training: Training) -> None:
        start = time.perf_counter()
        super().on_epoch_end(training)
        self.seconds += time.perf_counter() - start

    def save(self, state: TrainingState) -> None:
        start = time.perf_counter()
        super().save(state)
        self.saving.append(time.perf_counter() - start)


def main() -> None:
    parser = command_line(__doc__, "reliability")
    parser.add_argument("--epochs", type=int, default=3, help="of the training whose checkpoints are measured")
    parser.add_argument("--images", type=int, default=6400, help="of an epoch with or without deterministic algorithms")
    parser.add_argument("--repeats", type=int, default=9, help="of that epoch, each way in turn")
    arguments = parser.parse_args()
    params, prepared = load_params(paths.PARAMS).of_model(), load_prepared(paths.PREPARED)
    content = {
        **measured_on(params),
        "checkpoints": _checkpoint_cost(params.model_copy(update={"epochs": arguments.epochs}), prepared),
        "deterministic algorithms": {
            "repeats": arguments.repeats,
            "time relative to that without": spread(
                [_determinism_ratio(params, prepared, arguments.images) for _ in range(arguments.repeats + 1)][1:]
            ),
        },
    }
    save(content, arguments.result)


def _checkpoint_cost(params: ModelParams, prepared: Prepared) -> dict:
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        checkpoint = TimedCheckpoint(Path(folder), "benchmark")
        with checkpoint:
            seconds = _seconds_of_training(params, prepared, None, device, [checkpoint])
    return {
        "seconds of training": seconds,
        "checkpoints": len(checkpoint.saving),
        "milliseconds of each": spread([1000 * one for one in checkpoint.saving]),
        "share of the training's time": checkpoint.seconds / seconds,
    }


def _determinism_ratio(params: ModelParams, prepared: Prepared, images: int) -> float:
    """How much longer an epoch takes with deterministic algorithms than without."""
    seconds = {}
    for deterministic in (True, False):
        device = prepare_device(params.device, params.threads, deterministic=deterministic)
        one_epoch = params.model_copy(update={"epochs": 1})
        seconds[deterministic] = _seconds_of_training(one_epoch, prepared, images, device, [])
    return seconds[True] / seconds[False]


def _seconds_of_training(
    params: ModelParams, prepared: Prepared, images: int | None, device: torch.device, callbacks: list[Callback]
) -> float:
    """Of a training on the first so many images, or on all."""
    model = build_autoencoder(params).to(device)
    train, validation = (place(split.images[:images], device) for split in (prepared.train, prepared.validation))
    start = time.perf_counter()
    fit(model, TrainingImages(train, validation), params, callbacks=callbacks)
    return time.perf_counter() - start


if __name__ == "__main__":
    run(main)
