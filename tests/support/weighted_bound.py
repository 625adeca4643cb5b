"""The importance-weighted bound of a Bernoulli decoder and its two gradients, by torch's distributions, in float64."""

import copy
import math
from typing import NamedTuple

import torch
from torch import Tensor, distributions

from mnist_vae.model.autoencoder import Autoencoder


class Gradients(NamedTuple):
    """The gradients of the mean loss over the images, in the order of the parameters."""

    encoder: list[Tensor]
    decoder: list[Tensor]


class WeightedBound:
    """The bound of images 0..255 (B, 1, S, S) with noise (B, K, D), with the log ratio scaled by kl_factor."""

    def __init__(self, model: Autoencoder, images: Tensor, noise: Tensor, kl_factor: float = 1.0):
        self._model, self._kl_factor = copy.deepcopy(model).double(), kl_factor
        self._images, self._noise = images.double() / 255, noise.double()
        mean, log_variance = self._model.encoder(self._images).chunk(2, dim=1)
        self._mean, self._deviation = mean[:, None], (log_variance / 2).exp()[:, None]
        self._codes = self._mean + self._noise * self._deviation

    def log_weights(self) -> Tensor:
        """log p(x|z) + kl_factor · (log p(z) − log q(z|x)) of each image and sample (B, K)."""
        return self._log_weights(self._codes, distributions.Normal(self._mean, self._deviation))

    def loss(self) -> Tensor:
        """The mean over the images of −log (1/K) Σ w."""
        samples = self._noise.shape[1]
        return math.log(samples) - torch.logsumexp(self.log_weights(), dim=1).mean()

    def plain(self) -> Gradients:
        """The gradients of the loss as autograd derives them (Burda et al. 2016, equation 14)."""
        return self._gradients(self.loss())

    def doubly_reparameterized(self) -> Gradients:
        """The decoder's plain gradients, and the encoder's with squared weights (Tucker et al. 2019, equation 8)."""
        codes = self._codes.detach().requires_grad_()
        posterior = distributions.Normal(self._mean.detach(), self._deviation.detach())
        log_weights = self._log_weights(codes, posterior)
        (slopes,) = torch.autograd.grad(log_weights.sum(), codes)
        shares = log_weights.detach().softmax(dim=1)[:, :, None]
        doubled = (1 - self._kl_factor) * shares + self._kl_factor * shares**2
        surrogate = -(doubled * slopes * self._codes).sum() / len(self._images)
        encoder = torch.autograd.grad(surrogate, list(self._model.encoder.parameters()), retain_graph=True)
        return Gradients(list(encoder), self.plain().decoder)

    def _log_weights(self, codes: Tensor, posterior: distributions.Normal) -> Tensor:
        rows = []
        for sample in codes.unbind(dim=1):
            decoder = distributions.Bernoulli(logits=self._model.decoder(sample), validate_args=False)
            rows.append(decoder.log_prob(self._images).sum(dim=(1, 2, 3)))
        ratio = distributions.Normal(0.0, 1.0).log_prob(codes) - posterior.log_prob(codes)
        return torch.stack(rows, dim=1) + self._kl_factor * ratio.sum(dim=2)

    def _gradients(self, loss: Tensor) -> Gradients:
        parts = [list(part.parameters()) for part in (self._model.encoder, self._model.decoder)]
        return Gradients(*(list(torch.autograd.grad(loss, part, retain_graph=True)) for part in parts))
