"""The model: encoder, latent, decoder and likelihood, composed as params.yaml says."""

from contextlib import nullcontext
from typing import cast

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from mnist_vae.common.catalogue import WHITE
from mnist_vae.common.device import Context
from mnist_vae.common.params import ModelParams
from mnist_vae.common.seeds import derived_seed
from mnist_vae.model.likelihood import LIKELIHOODS, Bernoulli, SquaredError
from mnist_vae.model.loss import Objective, Terms, make_objective
from mnist_vae.model.networks import NETWORKS, mlp
from mnist_vae.model.posterior import GaussianCode, GaussianLatent, PointCode, PointLatent

_MEANS = (0.001, 0.999)
_BOUND = 3  # dimensions of the noise (B, K, D), for which the loss is the bound of sampled codes


class Autoencoder(nn.Module):
    """A variational (Kingma & Welling 2014) or plain autoencoder with its training objective."""

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        latent: GaussianLatent | PointLatent,
        likelihood: SquaredError | Bernoulli,
        objective: Objective,
    ):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.latent, self.likelihood, self.objective = latent, likelihood, objective
        self.autocast: Context = nullcontext  # for the layers only: torch refuses a Bernoulli's loss in it

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    def encode(self, images: UInt8[Tensor, "B 1 S S"]) -> GaussianCode | PointCode:
        """The posterior over codes of each image, or its point estimate. Images are grey levels 0..255."""
        return self._encode_scaled(self.likelihood.scale(images))

    def decode(self, codes: Float[Tensor, "B D"]) -> Float[Tensor, "B 1 S S"]:
        """Decode latent codes to images, as brightness from 0 to 1."""
        return self.likelihood.brightness(self._compute(self.decoder, codes))

    def reconstruction_error(
        self, images: UInt8[Tensor, "B 1 S S"], codes: Float[Tensor, "B D"]
    ) -> Float[Tensor, " B"]:
        """The reconstruction error of each image when it is decoded from its code, in the likelihood's unit."""
        return self.likelihood.reconstruction_error(self.likelihood.scale(images), self._compute(self.decoder, codes))

    def terms(
        self,
        images: UInt8[Tensor, "B 1 S S"],
        noise: Float[Tensor, "B *K D"] | None,
        kl_factor: float = 1.0,
    ) -> Terms:
        """Loss, reconstruction error and KL of each image, at a code sampled with the noise, or else at the mean code.

        `kl_factor` scales the KL's weight in the loss. With noise (B, K, D), the loss is the importance-weighted bound
        from K sampled codes of each image, with the gradient of Objective.weighted_terms. It needs a posterior that is
        a distribution. With noise (B, D), the KL is in closed form.
        """
        scaled = self.likelihood.scale(images)
        code = self._encode_scaled(scaled)
        if noise is not None and noise.ndim == _BOUND and isinstance(code, GaussianCode):
            codes, constant = code.sample_several(noise), code.detached()
            log_ratio = constant.log_ratio(constant.noise_of(codes), codes)
            reconstruction_error = self._reconstruction_errors(scaled, codes)
            return self.objective.weighted_terms(codes, reconstruction_error, log_ratio, code.kl(), kl_factor)
        output = self._compute(self.decoder, code.mean if noise is None else code.sample(noise))
        return self.objective.terms(self.likelihood.reconstruction_error(scaled, output), code.kl(), kl_factor)

    def reconstruction_errors(
        self, images: UInt8[Tensor, "B 1 S S"], codes: Float[Tensor, "B K D"]
    ) -> Float[Tensor, "B K"]:
        """The reconstruction error of each image from each of its K codes, in the likelihood's unit."""
        return self._reconstruction_errors(self.likelihood.scale(images), codes)

    def _reconstruction_errors(
        self, scaled: Float[Tensor, "B 1 S S"], codes: Float[Tensor, "B K D"]
    ) -> Float[Tensor, "B K"]:
        output = self._compute(self.decoder, codes.flatten(0, 1)).unflatten(0, codes.shape[:2])  # (B, K, 1, S, S)
        return self.likelihood.reconstruction_error(scaled[:, None], output)

    def start_at_mean(self, images: UInt8[Tensor, "N 1 S S"]) -> None:
        """Let the decoder's last bias be the logit of the mean image, so that a training begins with its likelihood.

        The mean is kept between 0.001 and 0.999, since some pixels are black in all images (Burda et al. 2016's code).
        """
        sums = images.sum(dim=0).cpu()  # whole numbers, so the same on each machine
        mean = (sums.double() / (WHITE * len(images))).clamp(*_MEANS)
        cast("mlp.Decoder", self.decoder).set_output_bias(torch.logit(mean).float())

    def _encode_scaled(self, scaled: Float[Tensor, "B 1 S S"]) -> GaussianCode | PointCode:
        return self.latent.code(self._compute(self.encoder, scaled))

    def _compute(self, layers: nn.Module, inputs: Tensor) -> Tensor:
        with self.autocast() if self.training else nullcontext():
            return layers(inputs).float()


def build_autoencoder(params: ModelParams) -> Autoencoder:
    """The untrained model. The seed alone decides its initial weights."""
    latent = GaussianLatent() if params.variational else PointLatent()
    likelihood, network = LIKELIHOODS[params.reconstruction], NETWORKS[params.network]
    # A plain autoencoder has no KL to weigh.
    kl_weight, free_nats = (params.kl_weight, params.free_nats) if params.variational else (0.0, 0.0)
    objective = make_objective(params.reduction, kl_weight, free_nats, params.image_size**2, params.latent_dim)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(params.seed, "first weights"))
        options, outputs = [getattr(params, name) for name in network.options], latent.outputs_per_dimension
        encoder = network.encoder(params.image_size, params.widths, outputs * params.latent_dim, *options)
        decoder = network.decoder(params.image_size, params.widths, params.latent_dim, likelihood.activation, *options)
    return Autoencoder(encoder, decoder, latent, likelihood, objective)
