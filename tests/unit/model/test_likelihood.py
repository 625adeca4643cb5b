import math

import pytest
import torch
from torch import Tensor, distributions

from builders import tiny_images
from mnist_vae.model.likelihood import LIKELIHOODS, sum_softplus

RANGES = {"squared_error": (-1.0, 1.0), "squared_error_sigmoid": (0.0, 1.0), "bernoulli": (0.0, 1.0)}
SQUARED = [name for name in RANGES if name.startswith("squared_error")]
GREY_LEVELS = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)


def _outputs(count: int, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("name", SQUARED)
def test_squared_error_equals_a_plain_loop(name: str) -> None:
    likelihood, (low, high) = LIKELIHOODS[name], RANGES[name]
    images, outputs = tiny_images(3), _outputs(3, low, high)
    reconstruction_error = likelihood.reconstruction_error(likelihood.scale(images), outputs)
    for image, output, error in zip(images, outputs, reconstruction_error.tolist(), strict=True):
        pixels = zip(image.flatten().tolist(), output.flatten().tolist(), strict=True)
        expected = sum((low + (high - low) * level / 255 - value) ** 2 for level, value in pixels)
        assert math.isclose(error, expected, rel_tol=1e-5)


@pytest.mark.parametrize("beta", [0.02, 0.8, 5.0])
@pytest.mark.parametrize("name", SQUARED)
def test_gaussian_likelihood_equals_that_of_torch_distributions_on_the_wide_range(name: str, beta: float) -> None:
    likelihood, (low, high) = LIKELIHOODS[name], RANGES[name]
    images, outputs = likelihood.scale(tiny_images(1)).double(), _outputs(1, low, high).double()
    # The variance at which SE + beta · KL is proportional to SE / (2 σ²) + KL, of images stretched to [-1, 1].
    stretch = 2 / (high - low)
    variance = beta / 2 * stretch**2
    wide_images, wide_outputs = ((values - low) * stretch - 1 for values in (images, outputs))
    normal = distributions.Normal(wide_outputs, math.sqrt(variance))
    reconstruction_error = float(likelihood.reconstruction_error(images, outputs))
    found = likelihood.negative_log_likelihood(reconstruction_error, images.numel(), beta)
    assert found == pytest.approx(-float(normal.log_prob(wide_images).sum()), rel=1e-9)
    assert likelihood.variance(beta) == pytest.approx(variance)


@pytest.mark.parametrize("name", SQUARED)
def test_variance_makes_the_loss_a_multiple_of_the_negative_elbo(name: str) -> None:
    # Of two images with other reconstruction errors and KLs, loss and negative ELBO differ by the same factor.
    likelihood, beta = LIKELIHOODS[name], 0.8
    losses, negative_elbos = [], []
    for reconstruction_error, kl in ((7.0, 11.0), (19.0, 2.0), (3.0, 5.0)):
        nll = likelihood.negative_log_likelihood(reconstruction_error, 256, beta)
        assert nll is not None
        losses.append(reconstruction_error + beta * kl)
        negative_elbos.append(nll + kl)
    first, second, third = zip(losses, negative_elbos, strict=True)
    factors = [(second[0] - first[0]) / (second[1] - first[1]), (third[0] - first[0]) / (third[1] - first[1])]
    assert factors == pytest.approx([beta, beta])


@pytest.mark.parametrize("name", SQUARED)
def test_squared_error_without_kl_implies_no_likelihood(name: str) -> None:
    assert LIKELIHOODS[name].variance(0.0) is None
    assert LIKELIHOODS[name].negative_log_likelihood(10.0, 256, 0.0) is None


@pytest.mark.parametrize("name", SQUARED)
def test_unit_of_squared_error_names_the_range(name: str) -> None:
    low, high = RANGES[name]
    assert LIKELIHOODS[name].reconstruction_unit == f"summed squared error, images in [{low:g}, {high:g}]"


def test_bernoulli_error_equals_that_of_torch_distributions() -> None:
    likelihood, probabilities = LIKELIHOODS["bernoulli"], _outputs(3, 0.01, 0.99)
    images = likelihood.scale((tiny_images(3) > 127).to(torch.uint8) * 255)
    assert set(images.unique().tolist()) == {0.0, 1.0}
    expected = -distributions.Bernoulli(probabilities).log_prob(images).sum(dim=(1, 2, 3))
    torch.testing.assert_close(likelihood.reconstruction_error(images, probabilities.logit()), expected)


def test_bernoulli_error_of_grey_images_equals_a_plain_loop() -> None:
    likelihood, images, probabilities = LIKELIHOODS["bernoulli"], tiny_images(2), _outputs(2, 0.01, 0.99)
    reconstruction_error = likelihood.reconstruction_error(likelihood.scale(images), probabilities.logit())
    for image, output, nats in zip(images, probabilities, reconstruction_error, strict=True):
        total = 0.0
        for level, p in zip(image.flatten().tolist(), output.flatten().tolist(), strict=True):
            total -= level / 255 * math.log(p) + (1 - level / 255) * math.log(1 - p)
        assert float(nats) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("beta", [0.0, 0.8])
def test_bernoulli_error_is_the_negative_log_likelihood(beta: float) -> None:
    assert LIKELIHOODS["bernoulli"].negative_log_likelihood(123.0, 256, beta) == 123.0
    assert LIKELIHOODS["bernoulli"].variance(beta) is None


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_brightness_undoes_scale_for_every_grey_level(name: str) -> None:
    likelihood = LIKELIHOODS[name]
    scaled = likelihood.scale(GREY_LEVELS)
    brightness = likelihood.brightness(scaled.logit() if name == "bernoulli" else scaled)
    assert torch.equal((brightness * 255).round().to(torch.uint8), GREY_LEVELS)
    assert (float(brightness.min()), float(brightness.max())) == (0.0, 1.0)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_images_and_outputs_share_a_range(name: str) -> None:
    likelihood, (low, high) = LIKELIHOODS[name], RANGES[name]
    scaled = likelihood.scale(GREY_LEVELS)
    assert (float(scaled.min()), float(scaled.max())) == (low, high)
    # Of bernoulli the output is a logit, which has no range, and its sigmoid has the images'.
    mean = torch.sigmoid if name == "bernoulli" else likelihood.activation()
    extremes = mean(torch.tensor([-100.0, 0.0, 100.0]))
    torch.testing.assert_close(extremes, torch.tensor([low, (low + high) / 2, high]))


def test_bernoulli_error_of_a_confident_wrong_output_is_its_logit() -> None:
    # By way of a sigmoid in float32 it would be cut off at 100 nats, and at 17 without gradient.
    black, white = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    for logit in (17.5, 40.0, 300.0):
        output = torch.full((1, 1, 1, 1), logit, requires_grad=True)
        wrong = LIKELIHOODS["bernoulli"].reconstruction_error(black, output)
        assert wrong.item() == pytest.approx(logit, rel=1e-6)
        (gradient,) = torch.autograd.grad(wrong.sum(), output)
        assert gradient.item() == pytest.approx(1.0, abs=1e-6)
        assert float(LIKELIHOODS["bernoulli"].reconstruction_error(white, output.detach())) < 1e-7


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_several_outputs_of_an_image_have_the_error_of_each(name: str) -> None:
    likelihood, images = LIKELIHOODS[name], LIKELIHOODS[name].scale(tiny_images(3))
    outputs = torch.randn(3, 4, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    reconstruction_errors = likelihood.reconstruction_error(images[:, None], outputs)
    for place in range(4):
        torch.testing.assert_close(
            reconstruction_errors[:, place], likelihood.reconstruction_error(images, outputs[:, place])
        )


@pytest.mark.parametrize("pixels", [1, 7, 64, 256, 784, 1024])
def test_sum_of_softplus_with_and_without_gradients_is_that_in_float64(pixels: int) -> None:
    for scale in (0.1, 5.0, 80.0):
        values = scale * torch.randn(3, 2, pixels, generator=torch.Generator().manual_seed(pixels))
        expected = torch.log1p(values.double().exp()).sum(dim=-1).float()
        torch.testing.assert_close(sum_softplus(values), expected, rtol=2e-6, atol=2e-5)
        torch.testing.assert_close(sum_softplus(values.requires_grad_()).detach(), expected, rtol=2e-6, atol=2e-5)
