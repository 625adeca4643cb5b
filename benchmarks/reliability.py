"""What checkpoints and deterministic algorithms cost a training at the committed parameters."""

import json
import statistics
import tempfile
import time
from pathlib import Path

import torch

from measurement import spread
from mnist_vae.common.device import prepare_device
from mnist_vae.common.params import ModelParams, load_params
from mnist_vae.console.stage import run_stage
from mnist_vae.data.environment import find_environment
from mnist_vae.data.history import EpochHistory
from mnist_vae.data.prepared import Prepared, load_prepared
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.training.checkpoint import Checkpoint, TrainingRecord
from mnist_vae.training.loop import Training

_EPOCHS = 3
_IMAGES = 6400
_REPEATS = 9


def main(prepared_path: Path, result_path: Path) -> None:
    params, prepared = load_params(Path("params.yaml")).of_model(), load_prepared(prepared_path)
    device = prepare_device(params.device, params.threads, deterministic=True)
    content = {
        "machine": find_environment(device)._asdict(),
        "checkpoints": _checkpoint_cost(params.model_copy(update={"epochs": _EPOCHS}), prepared, device),
        "deterministic algorithms": _determinism_cost(params.model_copy(update={"epochs": 1}), prepared, device),
    }
    result_path.write_text(json.dumps(content, indent=2) + "\n")
    print(json.dumps(content, indent=2))


def _training(params: ModelParams, prepared: Prepared, device: torch.device, images: int | None = None) -> Training:
    return Training(
        build_autoencoder(params).to(device),
        torch.from_numpy(prepared.train.images[:images]).to(device),
        torch.from_numpy(prepared.validation.images[:images]).to(device),
        params,
    )


def _checkpoint_cost(params: ModelParams, prepared: Prepared, device: torch.device) -> dict:
    """The seconds spent on saving, and on asking whether to, of a training as the stage runs it."""
    training = _training(params, prepared, device)
    histories: list[EpochHistory] = []
    saving: list[float] = []
    asking = 0.0
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, Checkpoint(Path(folder), "benchmark") as checkpoint:

        def save(training: Training) -> None:
            start = time.perf_counter()
            checkpoint.save(TrainingRecord(training.state(), histories, [0.0] * len(histories)))
            saving.append(time.perf_counter() - start)

        def watch(training: Training) -> None:
            nonlocal asking
            start = time.perf_counter()
            due = checkpoint.is_due
            asking += time.perf_counter() - start
            if due:
                save(training)

        start = time.perf_counter()
        for history in training.run(watch):
            histories.append(history)
            save(training)
        seconds = time.perf_counter() - start
    return {
        "seconds of training": seconds,
        "checkpoints": len(saving),
        "milliseconds of each": {"median": 1000 * statistics.median(saving), "max": 1000 * max(saving)},
        "share of the training's time": (sum(saving) + asking) / seconds,
    }


def _determinism_cost(params: ModelParams, prepared: Prepared, device: torch.device) -> dict:
    """How much longer training takes with deterministic algorithms than without, in turn."""
    ratios = []
    for repeat in range(_REPEATS + 1):
        seconds = {}
        for deterministic in (True, False):
            prepare_device(params.device, params.threads, deterministic=deterministic)
            training = _training(params, prepared, device, _IMAGES)
            start = time.perf_counter()
            list(training.run())
            seconds[deterministic] = time.perf_counter() - start
        if repeat:
            ratios.append(seconds[True] / seconds[False])
    time_ratio = spread(ratios)
    return {"repeats": _REPEATS, "time relative to that without": time_ratio}


if __name__ == "__main__":
    run_stage(main)
