"""The training of this project, as the train stage runs it, without files and MLflow.

Command line: the file of prepared data, the number of images, parameters that differ from params.yaml, as JSON.
"""

import json
import sys
from pathlib import Path

import torch

from contest import answer
from mnist_vae.autoencoder import build_autoencoder
from mnist_vae.device import prepare_device
from mnist_vae.params import load_params
from mnist_vae.prepared import load_prepared
from mnist_vae.training import Training


def main(prepared_path: Path, count: int, changes: dict) -> None:
    params = load_params(Path("params.yaml")).of_model().model_copy(update={"epochs": 1, **changes})
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    prepared = load_prepared(prepared_path)
    images = torch.from_numpy(prepared.train.images[:count]).to(device)
    validation_images = torch.from_numpy(prepared.validation.images[:1]).to(device)
    model = build_autoencoder(params).to(device)

    def run() -> float:
        (history,) = Training(model, images, validation_images, params).run()
        return history.steps[-1].loss

    answer(run)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]))
