"""The tutorial's model, written with torch's own layers. The package's model must equal it."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_vae.common.params import ModelParams
from mnist_vae.model.autoencoder import Autoencoder


class TutorialVAE(nn.Module):
    """The conv VAE with two heads and one activation; `like` gives it a model's weights."""

    def __init__(self, params: ModelParams, activation: nn.Module):
        super().__init__()
        ch, dim, last = params.conv_channels[0], params.latent_dim, params.image_size // 8
        self.features = nn.Sequential(
            nn.Conv2d(1, ch, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ch),
            nn.ReLU(),
            nn.Conv2d(ch, 2 * ch, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * ch),
            nn.ReLU(),
            nn.Conv2d(2 * ch, 4 * ch, 4, 2, 1, bias=False),
            nn.BatchNorm2d(4 * ch),
            nn.ReLU(),
        )
        self.mean = nn.Conv2d(4 * ch, dim, last)
        self.log_variance = nn.Conv2d(4 * ch, dim, last)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(dim, 4 * ch, last, bias=False),
            nn.BatchNorm2d(4 * ch),
            nn.ReLU(),
            nn.ConvTranspose2d(4 * ch, 2 * ch, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * ch),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * ch, ch, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ch),
            nn.ReLU(),
            nn.ConvTranspose2d(ch, 1, 4, 2, 1),
            activation,
        )

    @classmethod
    def like(cls, model: Autoencoder, params: ModelParams) -> "TutorialVAE":
        twin = cls(params, nn.Tanh() if params.reconstruction == "squared_error" else nn.Sigmoid())
        twin.load_state_dict(dict(zip(twin.state_dict(), split_heads(model), strict=True)))
        return twin

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(images)
        return self.mean(features).flatten(1), self.log_variance(features).flatten(1)

    def decode(self, codes: Tensor) -> Tensor:
        return self.decoder(codes[:, :, None, None])

    def loss(self, images: Tensor, noise: Tensor | None, kl_weight: float) -> Tensor:
        """Mean squared error per pixel + kl_weight · mean KL per latent dimension, for images in [-1, 1]."""
        mean, log_variance = self.encode(images)
        codes = mean if noise is None else mean + noise * log_variance.exp().sqrt()
        kl = torch.mean(-0.5 * (1 + log_variance - mean**2 - log_variance.exp()))
        return functional.mse_loss(self.decode(codes), images) + kl_weight * kl


def split_heads(model: Autoencoder) -> list[Tensor]:
    """The model's weights and buffers in layer order, with the encoder's last layer split into two heads."""
    *features, weight, bias = [tensor.clone() for tensor in model.encoder.state_dict().values()]
    (mean_weight, spread_weight), (mean_bias, spread_bias) = weight.chunk(2), bias.chunk(2)
    heads = [mean_weight, mean_bias, spread_weight, spread_bias]
    return [*features, *heads, *(tensor.clone() for tensor in model.decoder.state_dict().values())]
