"""The time that checkpoints add to a training with the parameters in params.yaml."""

import tempfile
import time
from pathlib import Path

from measure import command_line, measured_on, run, save, spread
from mnist_vae.common import paths
from mnist_vae.common.device import place, prepare_device
from mnist_vae.common.params import load_params
from mnist_vae.data.prepared import load_prepared
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.training.checkpoint import Checkpoint
from mnist_vae.training.loop import TrainingImages, fit
from mnist_vae.training.state import Training, TrainingState


class _TimedCheckpoint(Checkpoint):
    """A checkpoint that measures the seconds of each save, and the total of all its callbacks."""

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
    parser.add_argument("--epochs", type=int, default=3, help="of the training")
    arguments = parser.parse_args()
    params = load_params(paths.PARAMS).of_model().model_copy(update={"epochs": arguments.epochs})
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    prepared, model = load_prepared(paths.PREPARED), build_autoencoder(params).to(device)
    images = TrainingImages(place(prepared.train.images, device), place(prepared.validation.images, device))
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        checkpoint = _TimedCheckpoint(Path(folder), "benchmark")
        with checkpoint:
            start = time.perf_counter()
            fit(model, images, params, callbacks=[checkpoint])
            seconds = time.perf_counter() - start
    content = {
        **measured_on(params),
        "seconds of training": seconds,
        "checkpoints": len(checkpoint.saving),
        "milliseconds of each": spread([1000 * one for one in checkpoint.saving]),
        "share of the training's time": checkpoint.seconds / seconds,
    }
    save(content, arguments.result)


if __name__ == "__main__":
    run(main)
