"""The networks, by the names that params.yaml uses: each a module here with an Encoder and a Decoder."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import nn

    from mnist_vae.common.params import ModelParams

# By how much each divides the image's side: it takes the multiples of that. The modules themselves are imported when
# used, so that a stage which only checks parameters need not import torch, and a model has one network's code in its
# fingerprint.
NETWORKS: "dict[str, Callable[[ModelParams], int]]" = {
    "conv": lambda _: 8,
    "vanilla": lambda params: 2 ** len(params.vanilla_channels),
    "mlp": lambda _: 1,
}


class Network(NamedTuple):
    """Encoder(params, outputs) and Decoder(params, activation); see conv.py for what they map."""

    encoder: "type[nn.Module]"
    decoder: "type[nn.Module]"


def load_network(name: str) -> Network:
    """The pair of that name, one of NETWORKS."""
    module = import_module(f"{__name__}.{name}")
    return Network(module.Encoder, module.Decoder)
