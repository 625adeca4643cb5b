import pytest
import torch
from torch.nn import functional

from builders import tiny_images, tiny_model, tiny_params
from mnist_vae.objective import make_objective
from tutorial import TutorialVAE

NOISE = torch.randn(6, 3, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("kl_weight", [0.0, 0.1, 2.5])
@pytest.mark.parametrize("noise", [NOISE, None], ids=["sampled code", "mean code"])
def test_mean_reduction_equals_the_tutorials_loss(kl_weight: float, noise: torch.Tensor | None) -> None:
    model, images = tiny_model(kl_weight=kl_weight), tiny_images(6)
    twin = TutorialVAE.like(model, tiny_params())
    loss = model.terms(images, noise).loss.mean()
    torch.testing.assert_close(loss, twin.loss(images / 127.5 - 1, noise, kl_weight), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reconstruction", ["squared_error", "bernoulli"])
def test_sum_reduction_equals_sums_of_torchs_own_loss(reconstruction: str) -> None:
    changes = {"reconstruction": reconstruction, "reduction": "sum", "kl_weight": 0.7}
    model, images = tiny_model(**changes), tiny_images(6)
    twin = TutorialVAE.like(model, tiny_params(**changes))
    scaled = images / 255 if reconstruction == "bernoulli" else images / 127.5 - 1
    mean, log_variance = twin.encode(scaled)
    output = twin.decode(mean + NOISE * (log_variance / 2).exp())
    measure = functional.binary_cross_entropy if reconstruction == "bernoulli" else functional.mse_loss
    distortion = measure(output, scaled, reduction="sum") / 6
    kl = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum() / 6
    terms = model.terms(images, NOISE)
    torch.testing.assert_close(terms.distortion.mean(), distortion)
    torch.testing.assert_close(terms.rate.mean(), kl)
    torch.testing.assert_close(terms.loss.mean(), distortion + 0.7 * kl)


def test_terms_of_an_image_are_weighted_for_it_alone() -> None:
    distortion, rate = torch.tensor([16.0, 32.0]), torch.tensor([4.0, 8.0])
    terms = make_objective("mean", 0.5, pixels=16, latent_dim=2).terms(distortion, rate)
    assert terms.loss.tolist() == [1 + 0.5 * 2, 2 + 0.5 * 4]
    assert torch.equal(terms.distortion, distortion)
    assert torch.equal(terms.rate, rate)


@pytest.mark.parametrize(
    ("reduction", "kl_weight", "beta"),
    [("sum", 1.0, 1.0), ("sum", 4.0, 4.0), ("mean", 0.1, 0.8), ("mean", 0.0, 0.0), ("sum", 0.0, 0.0)],
)
def test_beta_is_the_kls_weight_beside_summed_distortion(reduction: str, kl_weight: float, beta: float) -> None:
    # The tutorial's: 0.1 · 1,024 pixels / 128 dimensions = 0.8.
    assert make_objective(reduction, kl_weight, pixels=32**2, latent_dim=128).beta == pytest.approx(beta)
