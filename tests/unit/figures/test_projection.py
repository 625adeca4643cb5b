import statistics

import numpy as np
import pytest

from mnist_vae.figures.projection import LatentPlane, latent_plane

COUNT, DIMENSIONS = 200, 5


def _codes(dimensions: int = DIMENSIONS, seed: int = 0) -> np.ndarray:
    """Codes off the origin, whose dimensions hang together and spread unequally."""
    random = np.random.default_rng(seed)
    spread = np.linspace(2, 0.3, dimensions)
    turn, _ = np.linalg.qr(random.standard_normal((dimensions, dimensions)))
    return ((random.standard_normal((COUNT, dimensions)) * spread) @ turn + 3).astype(np.float32)


def _plane(codes: np.ndarray, *, has_prior: bool = True) -> LatentPlane:
    plane = latent_plane(codes, has_prior=has_prior)
    assert plane is not None
    return plane


@pytest.mark.parametrize("has_prior", [True, False])
@pytest.mark.parametrize("dimensions", [3, 5, 40])
def test_directions_and_spread_are_those_of_the_singular_value_decomposition(dimensions: int, has_prior: bool) -> None:  # noqa: FBT001
    codes = _codes(dimensions)
    plane = _plane(codes, has_prior=has_prior)
    centred = codes.astype(np.float64) - codes.astype(np.float64).mean(axis=0)
    _, singular, rows = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(np.sum(plane.directions * rows[:2], axis=1)), [1, 1], atol=1e-9)
    np.testing.assert_allclose(plane.spread, singular[:2] / COUNT**0.5)
    assert plane.explained is not None
    np.testing.assert_allclose(plane.explained, singular[:2] ** 2 / np.sum(singular**2))
    np.testing.assert_allclose(plane.origin, codes.astype(np.float64).mean(axis=0))


@pytest.mark.parametrize("seed", range(6))
def test_largest_entry_of_each_direction_is_positive(seed: int) -> None:
    directions = _plane(_codes(seed=seed)).directions
    for direction in directions.tolist():
        assert max(direction, key=abs) > 0
    np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-12)


def test_mirrored_codes_have_the_same_directions() -> None:
    codes = _codes()
    np.testing.assert_allclose(_plane(-codes).directions, _plane(codes).directions, atol=1e-6)


def test_coordinates_have_the_spread_and_are_uncorrelated() -> None:
    codes = _codes()
    plane = _plane(codes)
    coordinates = plane.coordinates(codes.astype(np.float64))
    np.testing.assert_allclose(coordinates.mean(axis=0), [0, 0], atol=1e-9)
    np.testing.assert_allclose(np.cov(coordinates.T, bias=True), np.diag(plane.spread**2), atol=1e-9)


def test_explained_variance_is_what_the_projection_keeps() -> None:
    codes = _codes()
    plane = _plane(codes)
    assert plane.explained is not None
    kept = plane.origin + plane.coordinates(codes.astype(np.float64)) @ plane.directions
    left = np.sum((codes - kept) ** 2) / np.sum((codes - plane.origin) ** 2)
    assert float(plane.explained.sum()) == pytest.approx(1 - left)
    assert plane.explained[0] > plane.explained[1]


def test_plane_explains_all_variance_of_codes_that_lie_in_it() -> None:
    flat = np.random.default_rng(0).standard_normal((COUNT, 2)) @ np.array([[1.0, 2, 0, -1], [0.5, 0, 1, 1]])
    plane = _plane(flat.astype(np.float64) + 1)
    assert plane.explained is not None
    assert float(plane.explained.sum()) == pytest.approx(1)
    np.testing.assert_allclose(plane.origin + plane.coordinates(flat + 1) @ plane.directions, flat + 1, atol=1e-9)


def test_codes_that_are_all_equal_have_a_plane_without_spread() -> None:
    plane = _plane(np.ones((COUNT, 4), np.float32))
    assert plane.explained is not None
    assert plane.explained.tolist() == plane.spread.tolist() == [0, 0]
    assert np.array_equal(plane.grid(3), np.ones((3, 3, 4)))


def test_two_dimensions_with_a_prior_are_the_axes_at_the_priors_spread() -> None:
    codes = _codes(2)
    plane = _plane(codes, has_prior=True)
    assert plane.explained is None
    assert np.array_equal(plane.coordinates(codes.astype(np.float64)), codes)
    assert plane.spread.tolist() == [1, 1]


def test_two_dimensions_without_a_prior_are_the_axes_at_the_codes_own_place_and_spread() -> None:
    codes = _codes(2)
    plane = _plane(codes, has_prior=False)
    assert plane.explained is None
    mean = [statistics.fmean(column) for column in codes.T.tolist()]
    np.testing.assert_allclose(plane.origin, mean)
    np.testing.assert_allclose(plane.spread, [statistics.pstdev(column) for column in codes.T.tolist()])
    np.testing.assert_allclose(plane.coordinates(codes.astype(np.float64)), codes - np.array(mean), rtol=1e-9)


@pytest.mark.parametrize("has_prior", [True, False])
def test_single_dimension_has_no_plane(has_prior: bool) -> None:  # noqa: FBT001
    assert latent_plane(_codes(1), has_prior=has_prior) is None


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_quantiles_are_the_middles_of_equal_shares_of_a_gaussian(count: int) -> None:
    plane = LatentPlane(np.zeros(2), np.eye(2), np.array([1.0, 2.5]), None)
    quantiles = plane.quantiles(count)
    for row, spread in zip(quantiles.tolist(), (1.0, 2.5), strict=True):
        normal = statistics.NormalDist(0, spread)
        assert [normal.cdf(value) for value in row] == pytest.approx([(2 * n + 1) / (2 * count) for n in range(count)])
    np.testing.assert_allclose(quantiles, -quantiles[:, ::-1], atol=1e-12)


@pytest.mark.parametrize("dimensions", [2, 5])
def test_grid_is_a_map_with_the_second_coordinate_upwards(dimensions: int) -> None:
    plane = _plane(_codes(dimensions))
    grid = plane.grid(4)
    assert grid.shape == (4, 4, dimensions)
    coordinates = plane.coordinates(grid.reshape(16, dimensions)).reshape(4, 4, 2)
    first, second = plane.quantiles(4)
    for row in range(4):
        np.testing.assert_allclose(coordinates[row, :, 0], first)
        np.testing.assert_allclose(coordinates[row, :, 1], second[3 - row])
    # From the top down the second coordinate falls, from left to right the first one rises.
    assert coordinates[0, 0, 1] > coordinates[-1, 0, 1]
    assert coordinates[0, -1, 0] > coordinates[0, 0, 0]


def test_grid_of_two_dimensions_with_a_prior_is_that_of_the_normal_quantiles() -> None:
    normal = statistics.NormalDist()
    values = [normal.inv_cdf(share) for share in (1 / 6, 1 / 2, 5 / 6)]
    grid = _plane(_codes(2)).grid(3)
    assert grid.reshape(9, 2).tolist() == [[x, y] for y in values[::-1] for x in values]
