"""The peer library pythae's own trainer, on tensors that lie in memory. It runs in pythae's environment, without this
project's package.

Command line: the file of prepared data, the number of images, then what it shares with params.yaml, as JSON.
"""

import json
import logging
import sys
import tempfile

import torch
from pythae.data.datasets import BaseDataset
from pythae.models import BetaVAE, BetaVAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from safetensors import safe_open

from contest import answer
from plain_network import Decoder, Encoder


class _Encoder(BaseEncoder):
    def __init__(self, channels: int, latent_dim: int):
        BaseEncoder.__init__(self)
        self.network = Encoder(channels, latent_dim)

    def forward(self, images: torch.Tensor) -> ModelOutput:
        mean, log_variance = self.network(images)
        return ModelOutput(embedding=mean, log_covariance=log_variance)


class _Decoder(BaseDecoder):
    def __init__(self, channels: int, latent_dim: int):
        BaseDecoder.__init__(self)
        self.network = Decoder(channels, latent_dim)

    def forward(self, codes: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.network(codes))


def main(prepared: str, count: int, shared: dict) -> None:
    torch.set_num_threads(shared["threads"])
    logging.disable(logging.INFO)
    with safe_open(prepared, "pt") as file:
        images = file.get_slice("train_images")[:count].float() / 127.5 - 1
    channels, latent_dim = shared["base_channels"], shared["latent_dim"]
    model = BetaVAE(
        BetaVAEConfig(input_dim=(1, 32, 32), latent_dim=latent_dim, reconstruction_loss="mse", beta=1.0),
        encoder=_Encoder(channels, latent_dim),
        decoder=_Decoder(channels, latent_dim),
    )
    settings = BaseTrainerConfig(
        output_dir=tempfile.mkdtemp(),
        num_epochs=1,
        per_device_train_batch_size=shared["batch_size"],
        learning_rate=shared["learning_rate"],
        optimizer_cls="Adam",
        optimizer_params={"betas": shared["adam_betas"]},
        no_cuda=shared["device"] == "cpu",
    )
    trainer = BaseTrainer(model, BaseDataset(images, torch.zeros(count)), training_config=settings)
    trainer.prepare_training()
    answer(lambda: float(trainer.train_step(epoch=1)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))
