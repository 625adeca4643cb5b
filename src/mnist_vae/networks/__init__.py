"""Pairs of encoder and decoder, by the names that params.yaml uses."""

from typing import NamedTuple

from torch import nn

from mnist_vae.networks.conv import ConvDecoder, ConvEncoder


class Network(NamedTuple):
    """The two classes; see conv.py for what they take."""

    encoder: type[nn.Module]
    decoder: type[nn.Module]


NETWORKS = {"conv": Network(ConvEncoder, ConvDecoder)}
