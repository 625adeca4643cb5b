"""The networks by their names in params.yaml. Each is a module here with an Encoder and a Decoder."""

from typing import NamedTuple

from torch import nn

from mnist_vae.model.networks import deep, fast_conv, mlp


class Network(NamedTuple):
    """Encoder(image_size, widths, outputs) and Decoder(image_size, widths, latent_dim, activation)."""

    encoder: type[nn.Module]
    decoder: type[nn.Module]


NETWORKS = {
    "conv": Network(fast_conv.Encoder, fast_conv.Decoder),
    "deep": Network(deep.Encoder, deep.Decoder),
    "mlp": Network(mlp.Encoder, mlp.Decoder),
}
