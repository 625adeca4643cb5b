"""The plane in latent space that the scatter and the map of decoded codes show."""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

_PLANE_DIMENSIONS = 2


class LatentPlane(NamedTuple):
    """Two orthonormal directions through an origin, and the standard deviation of the codes along each.

    With two latent dimensions, the directions are these dimensions, and `explained` is None. With more, the directions
    are the first two principal components of the codes, and `explained` is the share of the variance of each.
    """

    origin: Float[np.ndarray, " D"]
    directions: Float[np.ndarray, "2 D"]
    spread: Float[np.ndarray, "2"]
    explained: Float[np.ndarray, "2"] | None

    def coordinates(self, codes: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N 2"]:
        """The coordinates of the codes' orthogonal projections into the plane."""
        return (codes - self.origin) @ self.directions.T

    def quantiles(self, count: int) -> Float[np.ndarray, "2 count"]:
        """The quantiles (i + ½) / count of a Gaussian with the plane's spread, along each direction."""
        normal = NormalDist()
        return self.spread[:, None] * np.array([normal.inv_cdf((place + 0.5) / count) for place in range(count)])

    def grid(self, count: int) -> Float[np.ndarray, "count count D"]:
        """The codes at the quantiles, as a map: the first row has the second direction's largest quantile."""
        first, second = self.quantiles(count)
        along = first[None, :, None] * self.directions[0] + second[::-1, None, None] * self.directions[1]
        return self.origin + along


def latent_plane(codes: Float[np.ndarray, "N D"], *, has_prior: bool) -> LatentPlane | None:
    """The plane for a model's codes; None for codes of one dimension.

    With two dimensions and a prior, the origin and the spread are those of the prior N(0, 1). Otherwise they are the
    codes' mean and standard deviation.
    """
    dimensions, origin = codes.shape[1], codes.mean(axis=0, dtype=np.float64)
    if dimensions < _PLANE_DIMENSIONS:
        return None
    if dimensions == _PLANE_DIMENSIONS:
        if has_prior:
            return LatentPlane(np.zeros(2), np.eye(2), np.ones(2), None)
        return LatentPlane(origin, np.eye(2), codes.std(axis=0, dtype=np.float64), None)
    variances, vectors = np.linalg.eigh(np.cov(codes, rowvar=False, bias=True, dtype=np.float64))  # in ascending order
    directions = vectors.T[:-3:-1]
    # An eigenvector's sign is arbitrary: let its largest entry be positive.
    largest = np.abs(directions).argmax(axis=1)
    directions = directions * np.sign(directions[[0, 1], largest])[:, None]
    total = max(variances.sum(), np.finfo(np.float64).tiny)
    return LatentPlane(origin, directions, np.sqrt(variances[:-3:-1].clip(0)), variances[:-3:-1] / total)
