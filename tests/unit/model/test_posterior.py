import math

import torch
from torch.distributions import Normal, kl_divergence

from mnist_vae.model.posterior import GaussianCode, GaussianLatent, PointCode, PointLatent


def _code(images: int = 6, dimensions: int = 4, seed: int = 0) -> GaussianCode:
    source = torch.Generator().manual_seed(seed)
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


def test_kl_to_another_gaussian_equals_that_of_torch_distributions() -> None:
    code, other = _code(), _code(seed=1)
    first, second = (Normal(one.mean, (0.5 * one.log_variance).exp()) for one in (code, other))
    torch.testing.assert_close(code.kl_to(other), kl_divergence(first, second), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(other.kl_to(code), kl_divergence(second, first), rtol=1e-5, atol=1e-5)


def test_kl_to_the_prior_is_the_kl_and_to_itself_zero() -> None:
    code = _code()
    prior = GaussianCode(torch.zeros(6, 4), torch.zeros(6, 4))
    torch.testing.assert_close(code.kl_to(prior), code.kl())
    assert torch.equal(code.kl_to(code), torch.zeros(6, 4))


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


def test_point_code_is_its_own_sample_whatever_the_noise() -> None:
    code = PointLatent().code(torch.arange(8.0).reshape(2, 4))
    assert code.mean.tolist() == [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]
    for noise in (torch.zeros(2, 4), 100 * torch.ones(2, 4)):
        assert torch.equal(code.sample(noise), code.mean)


def test_kl_of_a_point_estimate_is_zero_and_has_no_gradient() -> None:
    mean = (1000 * torch.randn(5, 3, generator=torch.Generator().manual_seed(0))).requires_grad_()
    kl = PointCode(mean).kl()
    assert kl.tolist() == [[0.0] * 3] * 5
    assert not kl.requires_grad


def test_encoder_gives_two_numbers_a_dimension_where_there_is_a_prior_and_else_one() -> None:
    assert (GaussianLatent.outputs_per_dimension, GaussianLatent.has_prior) == (2, True)
    assert (PointLatent.outputs_per_dimension, PointLatent.has_prior) == (1, False)
