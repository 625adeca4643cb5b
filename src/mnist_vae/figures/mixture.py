"""Codes drawn from a distribution fitted to those of the training images, instead of from the prior.

Where the codes of real images leave holes in the prior, samples from the prior fall into them, and decode to nothing
real; samples from what was fitted do not (Ghosh et al. 2020, "From Variational to Deterministic Autoencoders").
"""

import warnings

import numpy as np
from jaxtyping import Float


def sample_fitted(
    codes: Float[np.ndarray, "N D"], count: int, components: int, seed: int
) -> Float[np.ndarray, "{count} D"]:
    """That many draws from the mixture of so many Gaussians that is fitted to codes; a function of the seed.

    Raises ValueError if there are fewer codes than components.
    """
    random = np.random.default_rng(seed)
    if components == 1:
        covariance = np.atleast_2d(np.cov(codes, rowvar=False, dtype=np.float64))
        # The symmetric root, unlike Cholesky's, takes the singular covariance of dimensions that are not in use.
        variances, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(variances.clip(0)) @ vectors.T
        return codes.mean(axis=0, dtype=np.float64) + random.standard_normal((count, codes.shape[1])) @ root
    drawn = _sample_mixture(codes.astype(np.float64), count, components, seed)
    return random.permutation(drawn)


def _sample_mixture(
    codes: Float[np.ndarray, "N D"], count: int, components: int, seed: int
) -> Float[np.ndarray, "{count} D"]:
    # Takes more than a second to import, which the Gaussian, being the default, can do without.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(components, random_state=seed % 2**32)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        mixture.fit(codes)
    if caught:
        print(f"the mixture of {components} Gaussians had not converged after {mixture.n_iter_} iterations")
    return mixture.sample(count)[0]
