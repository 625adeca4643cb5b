"""Sampling codes from a distribution that is fitted to the training images' codes, instead of from the prior.

The prior can have regions without codes of real images. Samples from there decode to unrealistic images. A fitted
distribution avoids these regions (Ghosh et al. 2020, "From Variational to Deterministic Autoencoders").
"""

import warnings

import numpy as np
from jaxtyping import Float


def sample_fitted(
    codes: Float[np.ndarray, "N D"], count: int, components: int, seed: int
) -> Float[np.ndarray, "{count} D"]:
    """Fit a mixture of Gaussians to codes, and draw `count` codes from it. The draws depend only on the arguments.

    Raises ValueError if there are fewer codes than components.
    """
    random = np.random.default_rng(seed)
    if components == 1:
        covariance = np.atleast_2d(np.cov(codes, rowvar=False, dtype=np.float64))
        # Unused latent dimensions make the covariance singular. The symmetric root still exists; Cholesky fails.
        variances, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(variances.clip(0)) @ vectors.T
        return codes.mean(axis=0, dtype=np.float64) + random.standard_normal((count, codes.shape[1])) @ root
    drawn = _sample_mixture(codes.astype(np.float64), count, components, seed)
    return random.permutation(drawn)


def _sample_mixture(
    codes: Float[np.ndarray, "N D"], count: int, components: int, seed: int
) -> Float[np.ndarray, "{count} D"]:
    # Importing sklearn takes more than a second, and the default, a single Gaussian, does not need it.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(components, random_state=seed % 2**32)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        mixture.fit(codes)
    if caught:
        print(
            f"the mixture of {components} Gaussians did not converge within {mixture.n_iter_} iterations:"
            " lower fitted_components"
        )
    return mixture.sample(count)[0]
