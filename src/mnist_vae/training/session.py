"""A training as it runs in a stage: begun where it was broken off, shown, kept on disk, and entered into MLflow."""

from pathlib import Path
from typing import NamedTuple

import torch

from mnist_vae.common.atomic import file_md5
from mnist_vae.common.device import place, prepare_device
from mnist_vae.common.params import ModelParams
from mnist_vae.console.progress import TrainingProgress
from mnist_vae.data.history import EpochHistory
from mnist_vae.data.prepared import Prepared, load_prepared
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.model.file import Origin
from mnist_vae.tracking.run import TrackedRun
from mnist_vae.training.checkpoint import Checkpoint, TrainingRecord
from mnist_vae.training.fingerprint import training_fingerprint
from mnist_vae.training.loop import Training
from mnist_vae.training.process_group import join_ranks
from mnist_vae.training.ranks import OneProcess, Ranks


class Ingredients(NamedTuple):
    """What a training is made from, the same on all ranks."""

    device: torch.device
    ranks: OneProcess | Ranks
    prepared: Prepared
    origin: Origin

    def begin(self) -> Training:
        """The training before its first step."""
        images, validation_images = (
            place(split.images, self.device) for split in (self.prepared.train, self.prepared.validation)
        )
        model = build_autoencoder(self.origin.params).to(self.device)
        return Training(model, images, validation_images, self.origin.params, self.ranks)


def gather_ingredients(params: ModelParams, prepared_path: Path) -> Ingredients:
    """Prepare the device, join the other ranks, and open the prepared data.

    All that the stage imports must be imported before: the fingerprint takes in the code that is loaded. Raises
    UserError if the ranks differ in the data, the code, the parameters or torch.
    """
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    ranks = join_ranks(params.processes, device)
    prepared = load_prepared(prepared_path)
    data_md5 = file_md5(prepared_path)
    origin = Origin(params=params, data_md5=data_md5, fingerprint=training_fingerprint(params, data_md5, device))
    ranks.require_same("prepared data", data_md5)
    ranks.require_same("code, parameters or torch", origin.fingerprint)
    return Ingredients(device, ranks, prepared, origin)


def run_session(training: Training, checkpoint: Checkpoint, run: TrackedRun) -> list[EpochHistory]:
    """Train to the last epoch, and return the history of all. Of several ranks, this is for the first."""
    histories, rates = [], []
    if (record := checkpoint.load(training.restore)) is not None:
        histories, rates = record.histories, record.images_per_second
        print(f"train: goes on in epoch {training.epoch} after {len(training.terms)} of its steps", flush=True)
    training.begin_together()
    for history, rate in zip(histories, rates, strict=True):
        run.log_epoch(history, rate)  # what the run has already is not entered again
    run.settle()
    params = training.params
    progress = TrainingProgress(params.epochs, len(training.images), params.batch_size, len(training.terms))

    def watch(training: Training) -> None:
        progress.watch(training.epoch, training.terms)
        if checkpoint.is_due:
            checkpoint.save(TrainingRecord(training.state(), histories, rates))

    for history in training.run(watch):
        progress.epoch_done(history.epoch)
        histories.append(history)
        rates.append(progress.images_per_second)
        run.log_epoch(history, progress.images_per_second)
        checkpoint.save(TrainingRecord(training.state(), histories, rates))
    return histories
