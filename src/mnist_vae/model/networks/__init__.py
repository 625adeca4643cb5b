"""The networks by their names in params.yaml. Each is a module here with an Encoder and a Decoder."""

from typing import NamedTuple

from torch import nn

from mnist_vae.model.networks import conv_dense, deep, fast_conv, mlp


class Network(NamedTuple):
    """Encoder(image_size, widths, outputs) and Decoder(image_size, widths, latent_dim, activation).

    `options` names the parameters whose values both take besides, behind these.
    """

    encoder: type[nn.Module]
    decoder: type[nn.Module]
    options: tuple[str, ...] = ()


NETWORKS = {
    "conv": Network(fast_conv.Encoder, fast_conv.Decoder),
    "conv_dense": Network(conv_dense.Encoder, conv_dense.Decoder, ("mlp_widths", "activation")),
    "deep": Network(deep.Encoder, deep.Decoder),
    "mlp": Network(mlp.Encoder, mlp.Decoder, ("activation",)),
}
