"""The trainer of the peer library pythae, on tensors in memory.

It runs in pythae's environment, in which only the networks of this project can be imported. Command line: the file of
prepared data, the number of images, and all parameters of the model as JSON.
"""

import json
import logging
import sys
import tempfile

import torch
from pythae.data.datasets import BaseDataset
from pythae.models import BetaVAE, BetaVAEConfig
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from safetensors import safe_open
from torch import nn

from contest import answer
from mnist_vae.model.networks import conv
from pythae_networks import Decoder, Encoder


def main(prepared: str, count: int, params: dict) -> None:
    torch.set_num_threads(params["threads"])
    logging.disable(logging.INFO)
    with safe_open(prepared, "pt") as file:
        images = file.get_slice("train_images")[:count].float() / 127.5 - 1
    size, channels, latent_dim = params["image_size"], params["conv_channels"], params["latent_dim"]
    model = BetaVAE(
        BetaVAEConfig(input_dim=(1, size, size), latent_dim=latent_dim, reconstruction_loss="mse", beta=1.0),
        encoder=Encoder(conv.Encoder(size, channels, 2 * latent_dim)),
        decoder=Decoder(conv.Decoder(size, channels, latent_dim, nn.Tanh)),
    )
    settings = BaseTrainerConfig(
        output_dir=tempfile.mkdtemp(),
        num_epochs=1,
        per_device_train_batch_size=params["batch_size"],
        learning_rate=params["learning_rate"],
        optimizer_cls="Adam",
        optimizer_params={"betas": params["adam_betas"]},
        no_cuda=params["device"] == "cpu",
    )
    trainer = BaseTrainer(model, BaseDataset(images, torch.zeros(len(images))), training_config=settings)
    trainer.prepare_training()
    answer(lambda: trainer.train_step(epoch=1))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))
