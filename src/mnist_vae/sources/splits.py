"""Which images are training, validation and test images."""

import numpy as np
from jaxtyping import Bool, Int, UInt

from mnist_vae.common.params import Size, image_count
from mnist_vae.common.seeds import derived_seed
from mnist_vae.console.stage import UserError


def held_out(count: int, validation_size: int, seed: int) -> Bool[np.ndarray, " {count}"]:
    """Which of the training images are set aside for validation."""
    order = np.random.default_rng(derived_seed(seed, "validation split")).permutation(count)
    chosen = np.zeros(count, bool)
    chosen[order[:validation_size]] = True
    return chosen


def choose_test(labels: UInt[np.ndarray, " N"], test_size: Size, seed: int) -> Int[np.ndarray, " n"]:
    """The indices of the test images, stratified by class and in random order. They depend only on the arguments.

    Each class has at least one test image and keeps at least one other. Raises UserError if test_size does not allow
    that.
    """
    counts, wanted = np.bincount(labels), image_count(test_size, len(labels))
    shares = _share_out(counts, wanted)
    if shares.sum() != wanted:
        raise UserError(
            f"test_size is {test_size}, which is {wanted:,} of {len(labels):,} images, but with"
            f" {len(counts)} classes it must be from"
            f" {shares.clip(1).sum() if shares.sum() > wanted else len(counts)} to {(counts - 1).sum():,}:"
            " each class needs at least one test image and one other"
        )
    order = np.random.default_rng(derived_seed(seed, "test split")).permutation(len(labels))
    chosen = [order[labels[order] == label][:share] for label, share in enumerate(shares)]
    return order[np.isin(order, np.concatenate(chosen))]


def _share_out(counts: Int[np.ndarray, " K"], wanted: int) -> Int[np.ndarray, " K"]:
    """Whole numbers in proportion to `counts`, each from 1 to its count - 1, with the sum `wanted` if possible."""
    exact = counts * (wanted / counts.sum())
    shares = np.floor(exact).astype(int).clip(1, counts - 1)
    while missing := wanted - shares.sum():
        step = 1 if missing > 0 else -1
        free = (shares < counts - 1) if step > 0 else (shares > 1)
        if not free.any():
            break
        # Adjust the class that is farthest from its exact share.
        shares[np.where(free, (exact - shares) * step, -np.inf).argmax()] += step
    return shares
