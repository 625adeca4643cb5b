import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributions

from builders import PLAIN, tiny_images, tiny_labels, tiny_model, tiny_params
from mnist_vae.common.seeds import derived_seed
from mnist_vae.data.latents import active_dimensions
from mnist_vae.evaluation import metrics as evaluation
from mnist_vae.evaluation.metrics import Metrics, compute_metrics, encode_means, evaluate, save_metrics
from mnist_vae.model.likelihood import LIKELIHOODS
from mnist_vae.model.networks import NETWORKS
from tutorial import TutorialVAE

COUNT, PIXELS, DIMENSIONS = 23, 256, 3
IMAGES, LABELS = tiny_images(COUNT), tiny_labels(COUNT)


def _metrics(**changes: object) -> Metrics:
    model = tiny_model(**changes).eval()
    return compute_metrics(model, evaluate(model, IMAGES, seed=0), LABELS, PIXELS)


class Expected:
    """The terms of each image in float64, from the tutorial's own layers."""

    def __init__(self, **changes: object):
        twin = TutorialVAE.like(tiny_model(**changes), tiny_params(**changes)).double().eval()
        wide = changes.get("reconstruction", "squared_error") == "squared_error"
        noise = torch.randn(
            COUNT, DIMENSIONS, generator=torch.Generator().manual_seed(derived_seed(0, "evaluation noise"))
        )
        with torch.no_grad():
            scaled = IMAGES.double() / 127.5 - 1 if wide else IMAGES.double() / 255
            mean, log_variance = twin.encode(scaled)
            outputs, sampled = twin.decode(mean), twin.decode(mean + noise.double() * (log_variance / 2).exp())
        self.scaled, self.sampled, self.mean = scaled, sampled, mean
        self.kl_by_dimension = [
            [(math.exp(v) + m * m - v - 1) / 2 for m, v in zip(*row, strict=True)]
            for row in zip(mean.tolist(), log_variance.tolist(), strict=True)
        ]
        self.kl = [sum(row) for row in self.kl_by_dimension]
        brightness = (outputs + 1) / 2 if wide else outputs
        self.squared_error = [
            sum((value - level / 255) ** 2 for level, value in zip(image, output, strict=True))
            for image, output in zip(IMAGES.flatten(1).tolist(), brightness.flatten(1).tolist(), strict=True)
        ]


def _mean(values: Sequence[float], label: int | None = None) -> float:
    chosen = [value for value, of in zip(values, LABELS.tolist(), strict=True) if label in {None, of}]
    return sum(chosen) / len(chosen)


@pytest.mark.parametrize("reconstruction", LIKELIHOODS)
def test_errors_and_kl_equal_plain_loops_in_float64(reconstruction: str) -> None:
    found, expected = _metrics(reconstruction=reconstruction), Expected(reconstruction=reconstruction)
    error, kl = _mean(expected.squared_error), _mean(expected.kl)
    assert found.mse_minus1_to_1 == pytest.approx(4 * error / PIXELS, rel=1e-5)
    assert found.kl_nats == pytest.approx(kl, rel=1e-5)


def test_means_by_class_divide_by_the_true_counts() -> None:
    found, expected = _metrics(), Expected()
    assert len(set(np.bincount(LABELS).tolist())) > 1
    for label in range(10):
        mse = 4 * _mean(expected.squared_error, label) / PIXELS
        assert found.classes[label].label == label
        assert found.classes[label].mse_minus1_to_1 == pytest.approx(mse, rel=1e-5)
        assert found.classes[label].kl_nats == pytest.approx(_mean(expected.kl, label), rel=1e-5)


@pytest.mark.parametrize(
    ("reduction", "kl_weight", "beta"), [("mean", 0.1, 0.1 * PIXELS / DIMENSIONS), ("sum", 1.5, 1.5)]
)
def test_elbo_equals_that_of_a_gaussian_of_the_implied_variance(reduction: str, kl_weight: float, beta: float) -> None:
    found, expected = _metrics(reduction=reduction, kl_weight=kl_weight), Expected()
    normal = distributions.Normal(expected.sampled, math.sqrt(beta / 2))
    log_likelihoods = normal.log_prob(expected.scaled).sum(dim=(1, 2, 3)).tolist()
    assert found.elbo_nats == pytest.approx(_mean(log_likelihoods) - _mean(expected.kl), rel=1e-5)
    assert found.effective_beta == pytest.approx(beta)


@pytest.mark.parametrize(
    ("reduction", "kl_weight", "beta"), [("mean", 0.1, 0.1 * PIXELS / DIMENSIONS), ("sum", 1.5, 1.5)]
)
def test_elbo_of_squared_error_on_the_narrow_range_is_that_of_images_on_the_wide_one(
    reduction: str, kl_weight: float, beta: float
) -> None:
    changes = {"reconstruction": "squared_error_sigmoid"}
    found, expected = _metrics(reduction=reduction, kl_weight=kl_weight, **changes), Expected(**changes)
    # The loss has half the differences, a quarter of the squared errors: the deviation is twice as large.
    normal = distributions.Normal(2 * expected.sampled - 1, 2 * math.sqrt(beta / 2))
    log_likelihoods = normal.log_prob(2 * expected.scaled - 1).sum(dim=(1, 2, 3)).tolist()
    assert found.elbo_nats == pytest.approx(_mean(log_likelihoods) - _mean(expected.kl), rel=1e-5)
    assert found.effective_beta == pytest.approx(beta)


def test_elbo_of_bernoulli_equals_plain_loops() -> None:
    found, expected = _metrics(reconstruction="bernoulli"), Expected(reconstruction="bernoulli")
    total = 0.0
    for x, p in zip(expected.scaled.flatten().tolist(), expected.sampled.flatten().tolist(), strict=True):
        total += x * math.log(p) + (1 - x) * math.log(1 - p)
    assert found.elbo_nats == pytest.approx(total / COUNT - _mean(expected.kl), rel=1e-5)


def test_loss_without_kl_has_no_elbo() -> None:
    metrics = _metrics(kl_weight=0.0)
    assert metrics.elbo_nats is None
    assert metrics.effective_beta == 0


@pytest.mark.parametrize("reconstruction", LIKELIHOODS)
def test_plain_autoencoder_has_no_elbo_and_a_kl_of_exactly_zero(reconstruction: str) -> None:
    metrics = _metrics(**PLAIN, reconstruction=reconstruction)
    assert metrics.elbo_nats is None
    assert metrics.kl_nats == metrics.effective_beta == 0.0
    assert [of.kl_nats for of in metrics.classes] == [0.0] * 10
    assert metrics.mse_minus1_to_1 > 0


def test_plain_autoencoders_sampled_code_is_its_code() -> None:
    model = tiny_model(**PLAIN).eval()
    evaluated = evaluate(model, IMAGES, seed=0)
    np.testing.assert_allclose(evaluated.sampled_reconstruction_error, 4 * evaluated.squared_error, rtol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_parameter_count_is_that_of_the_saved_weights_without_running_statistics(network: str) -> None:
    weights = [weight for name, weight in tiny_model(network=network).state_dict().items() if "running" not in name]
    count = sum(math.prod(weight.shape) for weight in weights if weight.is_floating_point())
    assert _metrics(network=network).parameter_count == count


@pytest.mark.parametrize("changes", [{}, PLAIN], ids=["variational", "plain"])
def test_files_hold_every_number_under_its_name(tmp_path: Path, changes: dict) -> None:
    metrics = _metrics(**changes)
    save_metrics(metrics, tmp_path / "metrics.json", tmp_path / "classes.csv")
    content = json.loads((tmp_path / "metrics.json").read_text())
    names = ["mse_minus1_to_1", "kl_nats", "elbo_nats", "effective_beta", "active_dimensions", "parameter_count"]
    assert content == {name: getattr(metrics, name) for name in names if name != "elbo_nats" or not changes}
    header, *rows = csv.reader((tmp_path / "classes.csv").read_text().splitlines())
    assert header == ["class", "mse_minus1_to_1", "kl_nats"]
    classes = [of[:3] for of in metrics.classes]
    assert [(int(label), float(mse), float(kl)) for label, mse, kl in rows] == classes


def test_active_dimensions_are_those_whose_means_vary() -> None:
    random = np.random.default_rng(0)
    deviations = np.array([1.0, 0.12, 0.08, 0.0, 0.5])  # the threshold is a variance of 0.01
    mean = (random.standard_normal((5000, 5)) * deviations + 7).astype(np.float32)
    assert active_dimensions(mean.var(axis=0, dtype=np.float64)) == 3
    counted = sum(float(np.var(column.astype(np.float64))) > 0.01 for column in Expected().mean.numpy().T)
    assert _metrics().active_dimensions == counted


def test_codes_are_those_of_the_images_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model().eval()
    monkeypatch.setattr(evaluation, "EVALUATION_BATCH", 5)
    evaluated, expected = evaluate(model, IMAGES, seed=0), Expected()
    np.testing.assert_allclose(evaluated.mean, expected.mean.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(evaluated.kl, expected.kl_by_dimension, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(evaluated.kl.sum(axis=1), expected.kl, rtol=1e-4)


@pytest.mark.parametrize("changes", [{}, PLAIN], ids=["variational", "plain"])
def test_encoded_means_are_the_evaluated_ones(changes: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model(**changes).train()
    monkeypatch.setattr(evaluation, "EVALUATION_BATCH", 5)
    means = encode_means(model, IMAGES)
    np.testing.assert_allclose(means, evaluate(model, IMAGES, seed=0).mean, rtol=1e-6)
    assert means.shape == (COUNT, DIMENSIONS)


def test_evaluation_is_a_function_of_the_seed() -> None:
    model = tiny_model().eval()
    first = evaluate(model, IMAGES, seed=0)
    torch.rand(3)
    again, other = (evaluate(model, IMAGES, seed) for seed in (0, 1))
    assert np.array_equal(first.sampled_reconstruction_error, again.sampled_reconstruction_error)
    assert not np.array_equal(first.sampled_reconstruction_error, other.sampled_reconstruction_error)
    assert np.array_equal(first.squared_error, other.squared_error)
