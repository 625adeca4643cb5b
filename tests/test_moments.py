import tracemalloc

import numpy as np
import pytest

from mnist_vae.data import moments


def _codes(count: int, dimensions: int) -> np.ndarray:
    random = np.random.default_rng(dimensions)
    return (random.standard_normal((count, dimensions)) * np.arange(1, dimensions + 1) + 5).astype(np.float32)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 128])
def test_codes_of_one_block_have_numpys_moments_to_the_bit(dimensions: int) -> None:
    codes = _codes(1000, dimensions)
    double = codes.astype(np.float64)
    assert np.array_equal(moments.mean(codes), double.mean(axis=0))
    assert np.array_equal(moments.variance(codes), double.var(axis=0))
    assert np.array_equal(moments.covariance(codes, divisor=999), np.atleast_2d(np.cov(double.T)))
    assert np.array_equal(moments.covariance(codes, divisor=1000), np.atleast_2d(np.cov(double.T, bias=True)))


@pytest.mark.parametrize("numbers", [1, 30, 900])
def test_moments_do_not_depend_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch, numbers: int) -> None:
    codes = _codes(100, 30)
    monkeypatch.setattr(moments, "_NUMBERS_A_BLOCK", numbers)
    double = codes.astype(np.float64)
    assert len(next(iter(moments.row_blocks(codes)))) == max(1, numbers // 30)
    np.testing.assert_allclose(moments.mean(codes), double.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.variance(codes), double.var(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance(codes, divisor=99), np.cov(double.T), rtol=1e-9, atol=1e-9)


def test_no_copy_of_all_codes_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = _codes(20_000, 100)  # 8 MB; 16 MB in float64
    monkeypatch.setattr(moments, "_NUMBERS_A_BLOCK", 20_000)
    for of in (moments.mean, moments.variance, lambda codes: moments.covariance(codes, divisor=1)):
        tracemalloc.start()
        of(codes)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1_000_000
