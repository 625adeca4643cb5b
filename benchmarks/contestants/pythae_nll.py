"""pythae's estimate of a likelihood, with the weights of a multilayer perceptron of this project. It runs in pythae's
environment, where of this project's package only the networks can be imported.

Command line: a safetensors file of the weights and of `images`, black or white; the sizes, the samples and the number
of seeds, as JSON. It prints the negative log-likelihood by seed, and the seconds of one estimate.
"""

import json
import sys
import time

import numpy as np
import torch
from pythae.models import VAE, VAEConfig
from safetensors.torch import load_file
from torch import nn

from mnist_vae.model.networks import mlp
from pythae_networks import Decoder, Encoder

_BATCH = 100  # samples at once; get_nll takes so many when fewer are asked for, and whole batches only


def main(path: str, sizes: dict) -> None:
    torch.set_num_threads(sizes["threads"])
    if sizes["samples"] % _BATCH:
        sys.exit(f"the samples must be a multiple of {_BATCH}")
    tensors = load_file(path)
    images = tensors.pop("images").float() / 255
    side, widths, latent_dim, hidden = (sizes[name] for name in ("side", "widths", "latent_dim", "hidden"))
    encoder = mlp.Encoder(side, widths, 2 * latent_dim, hidden)
    decoder = mlp.Decoder(side, widths, latent_dim, nn.Sigmoid, hidden)
    for name, network in (("encoder.", encoder), ("decoder.", decoder)):
        network.load_state_dict({k.removeprefix(name): v for k, v in tensors.items() if k.startswith(name)})
    config = VAEConfig(input_dim=(1, side, side), latent_dim=latent_dim, reconstruction_loss="bce")
    model = VAE(config, encoder=Encoder(encoder), decoder=Decoder(decoder)).eval()
    start, nll = time.perf_counter(), []
    for seed in range(sizes["seeds"]):
        torch.manual_seed(seed)
        with torch.no_grad():
            log_likelihood = model.get_nll(images, n_samples=sizes["samples"], batch_size=_BATCH)  # of that sign
        nll.append(-float(np.mean(log_likelihood)))
    print(json.dumps({"nll": nll, "seconds": (time.perf_counter() - start) / len(nll)}))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
