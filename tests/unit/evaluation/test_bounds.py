"""The estimate of log p(x), against what is known in closed form, by integration and by torch's distributions."""

import itertools
import math

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor, distributions, nn

from builders import PLAIN, gaussian_code, tiny_images, tiny_model
from mnist_vae.common.seeds import derived_seed
from mnist_vae.evaluation import likelihood
from mnist_vae.evaluation.likelihood import Bounds, estimate_bounds, numbers_of_samples, why_no_likelihood
from mnist_vae.evaluation.metrics import compute_metrics, evaluate
from mnist_vae.model.autoencoder import Autoencoder
from mnist_vae.model.likelihood import LIKELIHOODS
from mnist_vae.model.loss import Objective
from mnist_vae.model.posterior import GaussianLatent

SIDE, BETA = 4, 0.5  # of a Gaussian with the variance 0.25
BITS = (tiny_images(7) > 127).to(torch.uint8) * 255
BERNOULLI = {"network": "mlp", "reconstruction": "bernoulli", "reduction": "sum", "kl_weight": 1}


def _estimate(model: Autoencoder, images: Tensor, samples: int, seed: int = 0) -> Bounds:
    return estimate_bounds(model, images, seed, samples, {})


class _Linear(nn.Module):
    """x = W z + b, with orthogonal columns, so that the posterior has a diagonal covariance."""

    def __init__(self, latent_dim: int = 3):
        super().__init__()
        random = torch.Generator().manual_seed(0)
        basis = torch.linalg.qr(torch.randn(SIDE**2, latent_dim, generator=random, dtype=torch.float64))[0]
        self.weight = nn.Parameter((basis * torch.tensor([0.8, 1.5, 0.3], dtype=torch.float64)).float())
        self.bias = nn.Parameter(0.2 * torch.randn(SIDE**2, generator=random))

    def forward(self, codes: Float[Tensor, "B D"]) -> Float[Tensor, "B 1 S S"]:
        return (codes @ self.weight.T + self.bias).unflatten(1, (1, SIDE, SIDE))


class _Posterior(nn.Module):
    """The exact posterior of such a decoder and Gaussian noise, or one that is off by some deviations and too wide.

    A shift of 0 is added to its output, to have the gradient of each of its parameters.
    """

    def __init__(self, decoder: _Linear, variance: float, off: float):
        super().__init__()
        self.decoder, self.variance, self.off = decoder, variance, off
        self.shift = nn.Parameter(torch.zeros(2 * decoder.weight.shape[1]))

    def forward(self, images: Float[Tensor, "B 1 S S"]) -> Float[Tensor, "B outputs"]:
        weight, bias = self.decoder.weight.double(), self.decoder.bias.double()
        variance = 1 / (1 + weight.square().sum(dim=0) / self.variance)
        mean = variance * ((images.flatten(1).double() - bias) @ weight) / self.variance
        mean = mean + self.off * variance.sqrt()
        log_variance = (variance * (1 + self.off)).log().expand_as(mean)
        return torch.cat([mean, log_variance], dim=1).float() + self.shift


def _linear_gaussian(off: float, beta: float = BETA) -> tuple[Autoencoder, Tensor, np.ndarray]:
    """A model whose log p(x) = log N(x; b, W Wᵀ + σ² I) is known, images, and that of each."""
    decoder, variance = _Linear(), beta / 2
    model = Autoencoder(
        _Posterior(decoder, variance, off),
        decoder,
        GaussianLatent(),
        LIKELIHOODS["squared_error"],
        Objective(1.0, beta),
    )
    images = tiny_images(23, size=SIDE)
    weight = decoder.weight.detach().double()
    covariance = weight @ weight.T + variance * torch.eye(SIDE**2, dtype=torch.float64)
    marginal = distributions.MultivariateNormal(decoder.bias.detach().double(), covariance)
    return model, images, marginal.log_prob(images.flatten(1).double() / 127.5 - 1).numpy()


def test_exact_posterior_gives_the_likelihood_with_one_sample() -> None:
    model, images, expected = _linear_gaussian(off=0)
    found = _estimate(model, images, 30)
    assert found.samples == (1, 10, 30)
    for bound in found.log_likelihood.T:
        np.testing.assert_allclose(bound, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("codes", [1, 5])
def test_encoders_gradient_of_the_bound_is_zero_at_the_exact_posterior_with_any_noise(codes: int) -> None:
    # Roeder et al. 2017. The loss with the KL in closed form has a noisy gradient there.
    model, images, _ = _linear_gaussian(off=0, beta=1)
    assert isinstance(model.encoder, _Posterior)
    noise = torch.randn(23, codes, 3, generator=torch.Generator().manual_seed(1))
    gradients = []
    for drawn in (noise, noise[:, 0]):
        model.zero_grad()
        model.terms(images, drawn).loss.sum().backward()
        assert model.encoder.shift.grad is not None
        gradients.append(model.encoder.shift.grad.abs().max())
    assert gradients[0] < 1e-3
    assert gradients[1] > 1


def test_estimate_of_a_linear_gaussian_model_approaches_its_known_likelihood() -> None:
    model, images, expected = _linear_gaussian(off=0.7)
    off = expected[:, None] - _estimate(model, images, 10_000).log_likelihood
    assert off[:, 0].mean() > 0.5  # with one sample far below
    # Its weights' relative deviation is about 1.6: with 10,000 samples the logarithm is off by about 0.016.
    assert np.abs(off[:, -1]).max() < 0.08
    assert abs(off[:, -1].mean()) < 0.012


def test_estimate_of_two_latent_dimensions_equals_an_integral_on_a_grid() -> None:
    model = tiny_model(**BERNOULLI, latent_dim=2, mlp_widths=[6]).eval()
    for weight in model.decoder.parameters():
        weight.data *= 2.5
    axis, images = torch.linspace(-7, 7, 141, dtype=torch.float64), BITS[:3]
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        probabilities = model.decode(grid.float()).double().flatten(1).clamp(1e-7, 1 - 1e-7)
    prior = distributions.Normal(0.0, 1.0).log_prob(grid).sum(dim=1) + 2 * math.log(14 / 140)
    found = _estimate(model, images, 20_000).log_likelihood
    conditional = torch.stack(
        [distributions.Bernoulli(probabilities).log_prob(bits).sum(dim=1) for bits in images.flatten(1).double() / 255]
    )
    expected = torch.logsumexp(conditional + prior, dim=1).numpy()
    assert np.abs(found[:, -1] - expected).max() < 0.15
    assert np.abs(found[:, 0] - expected).max() > 0.6  # one sample is not enough to be right


def test_one_sample_equals_the_log_weight_by_torchs_distributions() -> None:
    model = tiny_model(**BERNOULLI).eval()
    found = _estimate(model, BITS, 3).log_likelihood
    code, total = gaussian_code(model, BITS), []
    for number, size in enumerate((1, 2)):
        source = torch.Generator().manual_seed(derived_seed(0, "likelihood noise of image 0", number))
        noise = torch.randn(7, size, 3, generator=source)
        for sample in noise.unbind(dim=1):
            z = code.mean + (code.log_variance / 2).exp() * sample
            posterior = distributions.Normal(code.mean, (code.log_variance / 2).exp())
            conditional = distributions.Bernoulli(model.decode(z)).log_prob(BITS / 255).sum(dim=(1, 2, 3))
            ratio = distributions.Normal(0.0, 1.0).log_prob(z) - posterior.log_prob(z)
            total.append((conditional + ratio.sum(dim=1)).detach().double())
    np.testing.assert_allclose(found[:, 0], total[0], rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], torch.stack(total).logsumexp(dim=0) - math.log(3), rtol=1e-5)


def test_one_sample_has_the_elbo_as_its_mean() -> None:
    model = tiny_model(**BERNOULLI).eval()
    for weight in model.parameters():
        weight.data *= 1.5
    same = BITS[:1].expand(4000, 1, 16, 16)
    bounds = _estimate(model, same, 1).log_likelihood[:, 0]
    elbo = compute_metrics(model, evaluate(model, same, seed=1), np.zeros(4000, np.uint8), 256, 1).elbo_nats
    deviation = bounds.std() / math.sqrt(4000)
    assert bounds.mean() == pytest.approx(elbo, abs=5 * deviation)
    assert deviation < 0.15


@pytest.mark.parametrize("reconstruction", LIKELIHOODS)
def test_bound_rises_with_the_number_of_samples(reconstruction: str) -> None:
    model = tiny_model(**BERNOULLI | {"reconstruction": reconstruction}).eval()
    for weight in model.decoder.parameters():
        weight.data *= 2
    nll = _estimate(model, (tiny_images(200) > 127).to(torch.uint8) * 255, 1000).nll()
    assert all(fewer > more for fewer, more in itertools.pairwise(nll.tolist()))


def test_bounds_are_nested_on_the_same_noise() -> None:
    model = tiny_model(**BERNOULLI).eval()
    few, many = _estimate(model, BITS, 100), _estimate(model, BITS, 1000)
    assert (few.samples, many.samples) == ((1, 10, 100), (1, 10, 100, 1000))
    assert np.array_equal(few.log_likelihood, many.log_likelihood[:, :3])


@pytest.mark.parametrize(
    ("most", "expected"),
    [(1, (1,)), (2, (1, 2)), (10, (1, 10)), (11, (1, 10, 11)), (100, (1, 10, 100)), (5000, (1, 10, 100, 1000, 5000))],
)
def test_numbers_of_samples_are_powers_of_ten_and_the_greatest(most: int, expected: tuple[int, ...]) -> None:
    assert numbers_of_samples(most) == expected


def test_estimate_is_a_function_of_the_seed() -> None:
    model = tiny_model(**BERNOULLI)
    first = _estimate(model, BITS, 20).log_likelihood
    torch.rand(3)
    assert np.array_equal(_estimate(model, BITS, 20).log_likelihood, first)
    assert not (_estimate(model, BITS, 20, seed=1).log_likelihood == first).any()


def test_number_of_threads_changes_nothing() -> None:
    model = tiny_model(**BERNOULLI)
    expected = _estimate(model, tiny_images(45), 30).log_likelihood
    torch.set_num_threads(3)
    try:
        assert np.array_equal(_estimate(model, tiny_images(45), 30).log_likelihood, expected)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)


def test_images_have_noise_of_their_own() -> None:
    bounds = _estimate(tiny_model(**BERNOULLI), BITS[:1].expand(25, 1, 16, 16), 1).log_likelihood
    assert len(np.unique(bounds)) == 25


def test_number_of_codes_decoded_at_once_does_not_grow_with_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sizes = tiny_model(**BERNOULLI), []
    decode = model.decoder.forward
    monkeypatch.setattr(model.decoder, "forward", lambda codes: (sizes.append(len(codes)), decode(codes))[1])
    greatest = []
    for samples in (100, 3000):
        sizes.clear()
        _estimate(model, tiny_images(25), samples)
        assert sum(sizes) == 25 * samples
        greatest.append(max(sizes))
    assert greatest[0] == greatest[1]


def test_finished_parts_are_not_estimated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihood, "IMAGES_A_PART", 3)
    model, parts, told = tiny_model(**BERNOULLI), {}, []
    expected = estimate_bounds(model, BITS, 0, 20, parts, told.append).log_likelihood
    assert (list(parts), told) == ([0, 3, 6], [3, 3, 1])
    del parts[3]
    parts[0] = parts[0] + 1
    found = estimate_bounds(model, BITS, 0, 20, parts, told.append).log_likelihood
    assert np.array_equal(found[:3], expected[:3] + 1)
    assert np.array_equal(found[3:], expected[3:])
    assert told == [3, 3, 1] * 2


@pytest.mark.parametrize(
    ("changes", "bits", "reason"),
    [
        ({}, False, None),
        (BERNOULLI, True, None),
        (PLAIN, False, "a plain autoencoder has no prior"),
        ({"kl_weight": 0}, False, "its loss implies no likelihood"),
        (BERNOULLI, False, "bernoulli is not a density of grey levels: set binarisation"),
    ],
)
def test_what_has_no_likelihood_is_told_why(changes: dict, bits: bool, reason: str | None) -> None:  # noqa: FBT001
    assert why_no_likelihood(tiny_model(**changes), bits=bits) == reason


def test_metrics_have_the_mean_its_standard_error_and_that_of_each_class() -> None:
    model, images = tiny_model(**BERNOULLI), (tiny_images(23) > 127).to(torch.uint8) * 255
    labels = (np.arange(23) % 3).astype(np.uint8)
    bounds = _estimate(model, images, 15)
    metrics = compute_metrics(model, evaluate(model, images, seed=0), labels, 256, 3, bounds)
    nll = [-bound for bound in bounds.log_likelihood[:, -1].tolist()]
    mean = sum(nll) / 23
    assert metrics.nll_nats == pytest.approx(mean)
    variance = sum((value - mean) ** 2 for value in nll) / 22
    assert metrics.nll_standard_error_nats == pytest.approx(math.sqrt(variance / 23))
    assert [bound.samples for bound in metrics.nll_bounds] == [1, 10, 15]
    assert metrics.nll_bounds[-1].nll_nats == metrics.nll_nats
    for label, of in enumerate(metrics.classes):
        assert of.nll_nats == pytest.approx(sum(nll[label::3]) / len(nll[label::3]))
