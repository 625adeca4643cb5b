"""Networks of this project as pythae takes them. It is imported in pythae's environment."""

import torch
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from torch import nn


class Encoder(BaseEncoder):
    """Means and log variances from an encoder's output (B, 2 D)."""

    def __init__(self, network: nn.Module):
        BaseEncoder.__init__(self)
        self.network = network

    def forward(self, images: torch.Tensor) -> ModelOutput:
        mean, log_variance = self.network(images).chunk(2, dim=1)
        return ModelOutput(embedding=mean, log_covariance=log_variance)


class Decoder(BaseDecoder):
    """Images from a decoder's output (B, 1, S, S)."""

    def __init__(self, network: nn.Module):
        BaseDecoder.__init__(self)
        self.network = network

    def forward(self, codes: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.network(codes))
