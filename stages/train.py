"""Train the model, and keep its weights and the history of its training."""

from mnist_vae.console.early import begin_imports

begin_imports()

from pathlib import Path

from mnist_vae.common import paths
from mnist_vae.common.atomic import file_md5
from mnist_vae.common.catalogue import CUSTOM
from mnist_vae.common.device import bound_threads, is_emulated, place, prepare_device, start_threads
from mnist_vae.common.params import ModelParams, load_params
from mnist_vae.console.progress import ProgressBar
from mnist_vae.console.stage import repository_root, run_stage
from mnist_vae.data.environment import find_environment, save_environment
from mnist_vae.data.history import save_history
from mnist_vae.data.prepared import load_prepared
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.model.file import Origin, save_model
from mnist_vae.tracking.run import tracked_run
from mnist_vae.training.checkpoint import Checkpoint
from mnist_vae.training.distributed import as_rank, is_rank, join, launch
from mnist_vae.training.fingerprint import training_fingerprint
from mnist_vae.training.loop import TrainingImages, fit


def main() -> None:
    params = load_params(paths.PARAMS).of_model()
    if is_rank():
        as_rank(lambda: train(params))
    elif params.processes > 1:
        launch(params.processes)
    else:
        train(params)


def train(params: ModelParams) -> None:
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    threads = start_threads() if device.type == "cpu" and params.processes == 1 else []
    ranks = join(params.processes, device)
    prepared, data_md5 = load_prepared(paths.PREPARED), file_md5(paths.PREPARED)
    origin = Origin(
        params=params,
        data_md5=data_md5,
        fingerprint=training_fingerprint(params, data_md5, device),
        train_size=len(prepared.train.images) if params.dataset == CUSTOM else None,
    )
    ranks.require_same(origin.fingerprint)
    model = build_autoencoder(params).to(device)
    images = TrainingImages(place(prepared.train.images, device), place(prepared.validation.images, device))
    if not ranks.is_main:
        with ranks.together():
            fit(model, images, params, ranks=ranks)
        return
    environment = find_environment(device)
    print(f"train: on {environment}{f', {ranks.count} processes' if ranks.count > 1 else ''}", flush=True)
    if is_emulated(params.precision, device):
        print("train: this processor has no bfloat16, so training in it is slower than in float32", flush=True)
    checkpoints = repository_root(Path.cwd()) / "checkpoints"
    with (
        Checkpoint(checkpoints, origin.fingerprint) as checkpoint,
        tracked_run("train", origin) as run,
        ranks.together(),
    ):
        images_of_epochs = params.images_of_epochs(len(images.train))
        callbacks = [ProgressBar(images_of_epochs, params.batch_size), checkpoint, run]
        with bound_threads(threads):
            histories = fit(model, images, params, checkpoint.load(), callbacks, ranks)
        save_model(model, origin, paths.MODEL)
        save_history(histories, paths.EPOCHS, paths.STEPS)
        save_environment(environment, paths.ENVIRONMENT)
        checkpoint.remove()


if __name__ == "__main__":
    run_stage(main)
