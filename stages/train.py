"""Train the model, and keep its weights and the history of its training."""

from pathlib import Path

import torch

from mnist_vae.autoencoder import build_autoencoder
from mnist_vae.device import describe, prepare_device
from mnist_vae.fingerprint import training_fingerprint
from mnist_vae.history import EpochRow, StepRow, write_history
from mnist_vae.model_file import Origin, TrainedModel, save_model
from mnist_vae.params import load_params
from mnist_vae.prepared import file_md5, load_prepared
from mnist_vae.progress import TrainingProgress
from mnist_vae.stage import repository_root, run_stage
from mnist_vae.tracking import track_new_run
from mnist_vae.training import train


def main(prepared_path: Path, model_path: Path, epochs_path: Path, steps_path: Path) -> None:
    params = load_params(Path("params.yaml")).of_model()
    device = prepare_device(params.device, params.threads)
    print(f"train: on {describe(device)}", flush=True)
    prepared = load_prepared(prepared_path)
    data_md5 = file_md5(prepared_path)
    origin = Origin(params=params, data_md5=data_md5, fingerprint=training_fingerprint(params, data_md5, device))
    with track_new_run(repository_root(Path.cwd()), origin, describe(device)) as run:
        model = build_autoencoder(params).to(device)
        images = torch.from_numpy(prepared.train.images).to(device)
        validation_images = torch.from_numpy(prepared.validation.images).to(device)
        progress = TrainingProgress(params.epochs, len(images), params.batch_size)
        epochs, steps = [], []
        for history in train(model, images, validation_images, params, progress.watch):
            progress.epoch_done(history.epoch)
            run.log_epoch(history, progress.images_per_second)
            epochs.append(history.epoch)
            steps += history.steps
        save_model(TrainedModel(model, origin), model_path)
        write_history(epochs, EpochRow._fields, epochs_path)
        write_history(steps, StepRow._fields, steps_path)
        run.log_artifacts("history", epochs_path, steps_path)


if __name__ == "__main__":
    run_stage(main)
