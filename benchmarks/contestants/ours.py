"""The training of this project, as the train stage runs it, without files and MLflow.

Command line: the number of images, the changes to params.yaml as JSON, and `--unbound` to leave it to Linux on which
CPUs the threads run.
"""

import json
import sys

from mnist_vae.console.early import begin_imports, end_imports

begin_imports()

from contest import answer
from mnist_vae.common import paths
from mnist_vae.common.device import bound_threads, place, prepare_device, start_threads
from mnist_vae.common.params import ModelParams, load_params
from mnist_vae.data.prepared import load_prepared
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.training.distributed import as_rank, is_rank, join, launch
from mnist_vae.training.loop import TrainingImages, fit


def main(count: int, changes: dict, *, bound: bool) -> None:
    params = load_params(paths.PARAMS).of_model().model_copy(update=changes | {"epochs": 1})
    if is_rank():
        as_rank(lambda: contend(params, count, bound=bound))
    elif params.processes > 1:
        launch(params.processes)
    else:
        contend(params, count, bound=bound)


def contend(params: ModelParams, count: int, *, bound: bool) -> None:
    """Train for one epoch on the first `count` images when asked to. With several ranks, the main one is asked."""
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    threads = start_threads() if bound and device.type == "cpu" and params.processes == 1 else []
    ranks = join(params.processes, device)
    prepared = load_prepared(paths.PREPARED)
    train, validation = prepared.train.images[:count], prepared.validation.images[:1]
    images = TrainingImages(place(train, device), place(validation, device))

    def train_once() -> None:
        with bound_threads(threads):
            fit(build_autoencoder(params).to(device), images, params, ranks=ranks)

    def train_together() -> None:
        ranks.broadcast(b"train")
        train_once()

    if ranks.is_main:
        answer(train_together)
        ranks.broadcast(b"")
    else:
        while ranks.broadcast(b""):
            train_once()


if __name__ == "__main__":
    end_imports()
    main(int(sys.argv[1]), json.loads(sys.argv[2]), bound="--unbound" not in sys.argv)
