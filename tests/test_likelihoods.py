import math

import pytest
import torch
from torch import Tensor, distributions

from builders import tiny_images
from mnist_vae.likelihoods import LIKELIHOODS, Bernoulli, SquaredError

GREY_LEVELS = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)


def _outputs(count: int, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(5))


def test_squared_error_equals_a_plain_loop() -> None:
    likelihood, images, outputs = SquaredError(), tiny_images(3), _outputs(3, -1, 1)
    distortion = likelihood.distortion(likelihood.scale(images), outputs)
    for image, output, error in zip(images, outputs, distortion.tolist(), strict=True):
        pixels = zip(image.flatten().tolist(), output.flatten().tolist(), strict=True)
        assert math.isclose(error, sum((level / 255 * 2 - 1 - value) ** 2 for level, value in pixels), rel_tol=1e-5)


@pytest.mark.parametrize("beta", [0.02, 0.8, 5.0])
def test_gaussian_likelihood_equals_that_of_torch_distributions(beta: float) -> None:
    likelihood, outputs = SquaredError(), _outputs(1, -1, 1).double()
    images = likelihood.scale(tiny_images(1)).double()
    # The variance at which SE + beta · KL is proportional to SE / (2 σ²) + KL.
    normal = distributions.Normal(outputs, math.sqrt(beta / 2))
    distortion = float(likelihood.distortion(images, outputs))
    found = likelihood.negative_log_likelihood(distortion, images.numel(), beta)
    assert found == pytest.approx(-float(normal.log_prob(images).sum()), rel=1e-9)
    assert likelihood.variance(beta) == pytest.approx(beta / 2)


def test_squared_error_without_kl_implies_no_likelihood() -> None:
    assert SquaredError().variance(0.0) is None
    assert SquaredError().negative_log_likelihood(10.0, 256, 0.0) is None


def test_bernoulli_distortion_equals_that_of_torch_distributions() -> None:
    likelihood, outputs = Bernoulli(), _outputs(3, 0.01, 0.99)
    images = likelihood.scale((tiny_images(3) > 127).to(torch.uint8) * 255)
    assert set(images.unique().tolist()) == {0.0, 1.0}
    expected = -distributions.Bernoulli(outputs).log_prob(images).sum(dim=(1, 2, 3))
    torch.testing.assert_close(likelihood.distortion(images, outputs), expected)


def test_bernoulli_distortion_of_grey_images_equals_a_plain_loop() -> None:
    likelihood, images, outputs = Bernoulli(), tiny_images(2), _outputs(2, 0.01, 0.99)
    for image, output, nats in zip(
        images, outputs, likelihood.distortion(likelihood.scale(images), outputs), strict=True
    ):
        total = 0.0
        for level, p in zip(image.flatten().tolist(), output.flatten().tolist(), strict=True):
            total -= level / 255 * math.log(p) + (1 - level / 255) * math.log(1 - p)
        assert float(nats) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("beta", [0.0, 0.8])
def test_bernoulli_distortion_is_the_likelihood_already(beta: float) -> None:
    assert Bernoulli().negative_log_likelihood(123.0, 256, beta) == 123.0
    assert Bernoulli().variance(beta) is None


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_brightness_undoes_scale_for_every_grey_level(name: str) -> None:
    likelihood = LIKELIHOODS[name]()
    brightness = likelihood.brightness(likelihood.scale(GREY_LEVELS))
    assert torch.equal((brightness * 255).round().to(torch.uint8), GREY_LEVELS)
    assert (float(brightness.min()), float(brightness.max())) == (0.0, 1.0)


@pytest.mark.parametrize(("name", "low", "high"), [("squared_error", -1.0, 1.0), ("bernoulli", 0.0, 1.0)])
def test_images_and_outputs_share_a_range(name: str, low: float, high: float) -> None:
    likelihood = LIKELIHOODS[name]()
    scaled = likelihood.scale(GREY_LEVELS)
    assert (float(scaled.min()), float(scaled.max())) == (low, high)
    extremes = likelihood.activation()(torch.tensor([-100.0, 0.0, 100.0]))
    torch.testing.assert_close(extremes, torch.tensor([low, (low + high) / 2, high]))
