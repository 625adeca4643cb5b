"""A training as it runs in a stage: begun where it was broken off, shown, kept on disk, and entered into MLflow."""

from mnist_vae.checkpoint import Checkpoint, TrainingRecord
from mnist_vae.history import EpochHistory
from mnist_vae.progress import TrainingProgress
from mnist_vae.tracking.run import TrackedRun
from mnist_vae.training import Training


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
