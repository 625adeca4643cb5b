from functools import partial

import numpy as np
import pytest
from sklearn import mixture

from mnist_vae.figures.mixture import sample_fitted

DRAWS = 20_000


def _codes() -> np.ndarray:
    """Codes off the origin whose dimensions hang together."""
    random = np.random.default_rng(0)
    mixing = np.array([[2.0, 0.0, 0.0], [1.0, 0.5, 0.0], [-1.0, 0.3, 0.2]])
    return (random.standard_normal((500, 3)) @ mixing.T + [4, -1, 0]).astype(np.float32)


def _two_clusters() -> np.ndarray:
    """Round clusters of deviation 0.2 around (-5, 1) and (5, 1), three codes in the first for each in the second."""
    random = np.random.default_rng(1)
    centre = np.where(np.arange(800) % 4 == 0, 5.0, -5.0)
    return (np.stack([centre, np.ones(800)], axis=1) + 0.2 * random.standard_normal((800, 2))).astype(np.float32)


@pytest.mark.parametrize("components", [1, 3])
def test_draws_have_the_codes_mean_and_covariance(components: int) -> None:
    codes = _codes()
    drawn = sample_fitted(codes, DRAWS, components, seed=0)
    assert drawn.shape == (DRAWS, 3)
    variances = codes.var(axis=0, dtype=np.float64)
    # Within five standard errors of a mean; of a covariance with a rounded-up bound on its own.
    assert (np.abs(drawn.mean(axis=0) - codes.mean(axis=0)) < 5 * np.sqrt(variances / DRAWS)).all()
    allowed = 5 * np.sqrt(2 * np.outer(variances, variances) / DRAWS)
    assert (np.abs(np.cov(drawn.T) - np.cov(codes.T)) < allowed + 1e-5).all()


@pytest.mark.parametrize("components", [1, 3])
def test_draws_are_a_function_of_the_seed(components: int) -> None:
    first = sample_fitted(_codes(), 50, components, seed=2**40)
    np.random.default_rng().random(3)
    assert np.array_equal(sample_fitted(_codes(), 50, components, seed=2**40), first)
    assert not np.array_equal(sample_fitted(_codes(), 50, components, seed=2**40 + 1), first)


@pytest.mark.parametrize("components", [1, 3])
def test_fitting_leaves_numpys_own_generator_alone(components: int) -> None:
    before = np.random.get_state(legacy=False)  # noqa: NPY002 (scikit-learn may draw from it)
    sample_fitted(_codes(), 50, components, seed=0)
    after = np.random.get_state(legacy=False)  # noqa: NPY002
    assert np.array_equal(before["state"]["key"], after["state"]["key"])
    assert before["state"]["pos"] == after["state"]["pos"]


@pytest.mark.parametrize("components", [1, 3])
def test_unused_dimension_keeps_its_value_and_twins_stay_twins(components: int) -> None:
    # A covariance without an inverse.
    codes = _codes()
    codes = np.column_stack([codes, np.full(500, 0.25, np.float32), codes[:, 0]])
    drawn = sample_fitted(codes, 200, components, seed=0)
    # A mixture's covariances have at least a millionth in their diagonal.
    np.testing.assert_allclose(drawn[:, 3], 0.25, atol=1e-6 if components == 1 else 0.01)
    np.testing.assert_allclose(drawn[:, 4], drawn[:, 0], atol=1e-5 if components == 1 else 0.02)


@pytest.mark.parametrize("components", [1, 3])
def test_codes_of_a_single_dimension_can_be_fitted(components: int) -> None:
    codes = _codes()[:, :1]
    drawn = sample_fitted(codes, DRAWS, components, seed=0)
    assert drawn.shape == (DRAWS, 1)
    assert float(drawn.std()) == pytest.approx(float(codes.std()), rel=0.05)


def test_mixture_falls_into_the_clusters_and_a_gaussian_between_them() -> None:
    codes = _two_clusters()
    centres = np.array([[-5.0, 1.0], [5.0, 1.0]])

    def distances(components: int) -> np.ndarray:
        drawn = sample_fitted(codes, 2000, components, seed=0)
        return np.linalg.norm(drawn[:, None] - centres, axis=2)

    mixture, gaussian = distances(2), distances(1)
    # Six deviations of a cluster.
    assert (mixture.min(axis=1) < 1.2).all()
    assert np.mean(mixture[:, 0] < 1.2) == pytest.approx(0.75, abs=0.06)
    assert np.mean((gaussian.min(axis=1) > 2) & (gaussian.max(axis=1) < 10)) > 0.2


def test_mixtures_draws_come_in_no_order_of_components() -> None:
    # In order there would be one change of sides; in none, about 2 · 0.75 · 0.25 · 400 = 150.
    drawn = sample_fitted(_two_clusters(), 400, 2, seed=0)
    sides = drawn[:, 0] > 0
    assert 100 < np.sum(sides[1:] != sides[:-1]) < 200


def test_more_components_than_codes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"n_samples|n_components|components"):
        sample_fitted(_codes()[:4], 10, 5, seed=0)


def test_mixture_that_does_not_converge_says_so_in_a_line_and_is_drawn_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hasty = partial(mixture.GaussianMixture, max_iter=1, tol=1e-12)
    monkeypatch.setattr(mixture, "GaussianMixture", hasty)
    assert sample_fitted(_codes(), 10, 3, seed=0).shape == (10, 3)
    (line,) = capsys.readouterr().out.splitlines()
    assert "3 Gaussians did not converge within 1 iterations" in line


def test_mixture_that_converges_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    sample_fitted(_two_clusters(), 10, 2, seed=0)
    assert capsys.readouterr().out == ""
