"""Mean, variance and covariance of many codes in float64, without a copy of all of them in float64.

Codes of one block, 65,536 of 128 dimensions, give the bits that NumPy's own functions give.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float64

_NUMBERS_A_BLOCK = 1 << 23  # 64 MiB in float64


def row_blocks(codes: Float[np.ndarray, "N D"]) -> Iterator[Float[np.ndarray, "n D"]]:
    """The codes in blocks, in their order, each a view."""
    rows = max(1, _NUMBERS_A_BLOCK // codes.shape[1])
    return (codes[start : start + rows] for start in range(0, len(codes), rows))


def mean(codes: Float[np.ndarray, "N D"]) -> Float64[np.ndarray, " D"]:
    """The mean code."""
    total = np.zeros(codes.shape[1])
    for block in row_blocks(codes):
        total += block.sum(axis=0, dtype=np.float64)
    return total / len(codes)


def variance(codes: Float[np.ndarray, "N D"]) -> Float64[np.ndarray, " D"]:
    """The mean square of each dimension's distance from its mean."""
    centre, total = mean(codes), np.zeros(codes.shape[1])
    for block in row_blocks(codes):
        total += np.square(block - centre).sum(axis=0)
    return total / len(codes)


def covariance(codes: Float[np.ndarray, "N D"], divisor: int) -> Float64[np.ndarray, "D D"]:
    """The sum over codes of the products of two dimensions' distances from their means, over the divisor."""
    centre = mean(codes)
    products = np.zeros((len(centre), len(centre)))
    for block in row_blocks(codes):
        centred = block - centre
        # The copy makes it the product that np.cov takes: that of an array with itself rounds otherwise.
        products += centred.T @ centred.copy()
    return products * (1 / divisor)
