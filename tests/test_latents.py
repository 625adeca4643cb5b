import math

import torch
from torch.distributions import Normal, kl_divergence

from mnist_vae.latents import GaussianCode, GaussianLatent


def _code(images: int = 6, dimensions: int = 4) -> GaussianCode:
    source = torch.Generator().manual_seed(0)
    mean, log_variance = 2 * torch.randn(2, images, dimensions, generator=source)
    return GaussianCode(mean, log_variance)


def test_kl_equals_that_of_torch_distributions() -> None:
    code = _code()
    posterior = Normal(code.mean, (0.5 * code.log_variance).exp())
    torch.testing.assert_close(code.kl(), kl_divergence(posterior, Normal(0.0, 1.0)))


def test_kl_equals_a_plain_loop_in_float64() -> None:
    code = _code()
    for mean_row, log_row, kl_row in zip(
        code.mean.tolist(), code.log_variance.tolist(), code.kl().tolist(), strict=True
    ):
        for mean, log_variance, kl in zip(mean_row, log_row, kl_row, strict=True):
            expected = (math.exp(log_variance) + mean * mean - log_variance - 1) / 2
            assert math.isclose(kl, expected, rel_tol=1e-5, abs_tol=1e-6)


def test_kl_of_the_prior_is_zero() -> None:
    assert GaussianCode(torch.zeros(2, 3), torch.zeros(2, 3)).kl().tolist() == [[0.0] * 3] * 2


def test_samples_have_the_codes_mean_and_standard_deviation() -> None:
    count = 40_000
    code = GaussianCode(torch.tensor([[1.5, -3.0]]), torch.tensor([[0.0, -2.0]]))
    noise = torch.randn(count, 2, generator=torch.Generator().manual_seed(1))
    samples = GaussianCode(code.mean.expand(count, 2), code.log_variance.expand(count, 2)).sample(noise).double()
    deviation = torch.tensor([1.0, math.exp(-1.0)]).double()
    assert ((samples.mean(0) - code.mean[0]).abs() < 5 * deviation / math.sqrt(count)).all()
    assert ((samples.std(0) - deviation).abs() < 5 * deviation / math.sqrt(2 * count)).all()


def test_sample_without_noise_is_the_mean_and_with_noise_moves_by_deviations() -> None:
    code = _code()
    assert torch.equal(code.sample(torch.zeros_like(code.mean)), code.mean)
    torch.testing.assert_close(code.sample(torch.ones_like(code.mean)) - code.mean, code.log_variance.exp().sqrt())


def test_gradient_flows_through_a_sample() -> None:
    mean, log_variance = torch.zeros(1, 2, requires_grad=True), torch.zeros(1, 2, requires_grad=True)
    GaussianCode(mean, log_variance).sample(torch.tensor([[3.0, -1.0]])).sum().backward()
    assert mean.grad is not None
    assert log_variance.grad is not None
    assert mean.grad.tolist() == [[1.0, 1.0]]
    assert log_variance.grad.tolist() == [[1.5, -0.5]]  # of exp(l/2) · noise at l = 0: noise / 2


def test_first_half_of_the_encoders_outputs_is_the_mean() -> None:
    code = GaussianLatent().code(torch.arange(8.0)[None])
    assert code.mean.tolist() == [[0.0, 1.0, 2.0, 3.0]]
    assert code.log_variance.tolist() == [[4.0, 5.0, 6.0, 7.0]]
