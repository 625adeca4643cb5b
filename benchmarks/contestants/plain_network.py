"""The conv network as a tutorial writes it, of plain convolutions. It needs torch alone."""

import torch
from torch import Tensor, nn


class Encoder(nn.Module):
    """Images (B, 1, 32, 32) to means and log variances (B, latent_dim)."""

    def __init__(self, channels: int, latent_dim: int):
        super().__init__()
        self.body = nn.Sequential(
            *_layer(nn.Conv2d(1, channels, 4, 2, 1), channels),
            *_layer(nn.Conv2d(channels, 2 * channels, 4, 2, 1), 2 * channels),
            *_layer(nn.Conv2d(2 * channels, 4 * channels, 4, 2, 1), 4 * channels),
        )
        self.mean = nn.Conv2d(4 * channels, latent_dim, 4)
        self.log_variance = nn.Conv2d(4 * channels, latent_dim, 4)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(images)
        return self.mean(features).flatten(1), self.log_variance(features).flatten(1)


class Decoder(nn.Module):
    """Codes (B, latent_dim) to images (B, 1, 32, 32) in [-1, 1]."""

    def __init__(self, channels: int, latent_dim: int):
        super().__init__()
        self.layers = nn.Sequential(
            *_layer(nn.ConvTranspose2d(latent_dim, 4 * channels, 4), 4 * channels),
            *_layer(nn.ConvTranspose2d(4 * channels, 2 * channels, 4, 2, 1), 2 * channels),
            *_layer(nn.ConvTranspose2d(2 * channels, channels, 4, 2, 1), channels),
            nn.ConvTranspose2d(channels, 1, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, codes: Tensor) -> Tensor:
        return self.layers(codes[:, :, None, None])


def loss(encoder: Encoder, decoder: Decoder, images: Tensor, kl_weight: float) -> Tensor:
    """The tutorial's: mean squared error per pixel + kl_weight · mean KL per latent dimension."""
    mean, log_variance = encoder(images)
    code = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
    kl = -0.5 * torch.mean(1 + log_variance - mean.pow(2) - log_variance.exp())
    return nn.functional.mse_loss(decoder(code), images) + kl_weight * kl


def _layer(convolution: nn.Module, channels: int) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(channels), nn.ReLU()]
