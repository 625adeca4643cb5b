"""What anyone would look at first in trained systems, on scikit-learn's digits: do they relate as theory says?"""

from collections.abc import Callable

import pytest
import torch

from builders import PLAIN, tiny_params
from mnist_vae.common.catalogue import DATASETS
from mnist_vae.common.device import place
from mnist_vae.evaluation.metrics import Metrics, compute_metrics, evaluate
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.sources.bundled import digits_files
from mnist_vae.sources.prepare import prepare
from mnist_vae.training.loop import TrainingImages, fit

# With seeds 0, 1 and 2 these keep well clear of the margins asked for below.
CONV = {
    "network": "conv",
    "conv_channels": [4, 8, 16],
    "latent_dim": 16,
    "epochs": 6,
    "batch_size": 32,
    "learning_rate": 0.005,
}
FLAT = {
    "network": "mlp",
    "mlp_widths": [64],
    "latent_dim": 2,
    "epochs": 10,
    "batch_size": 32,
    "learning_rate": 0.003,
}

Trainer = Callable[..., Metrics]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """The metrics on the test set of a system trained on the digits; each is trained once."""
    folder = tmp_path_factory.mktemp("digits")
    for file in digits_files():
        (folder / file.name).write_bytes(file.content)
    data = prepare(DATASETS["digits"], folder, 16, validation_size=100, seed=0)
    images, validation, test = (place(split.images, torch.device("cpu")) for split in data)
    known: dict[str, Metrics] = {}

    def trained(**changes: object) -> Metrics:
        name = repr(sorted(changes.items()))
        if name not in known:
            params = tiny_params(**changes).of_model()
            model = build_autoencoder(params)
            fit(model, TrainingImages(images, validation), params)
            known[name] = compute_metrics(model, evaluate(model, test, seed=0), data.test.labels, pixels=256)
        return known[name]

    return trained


@pytest.mark.parametrize("system", [CONV, FLAT], ids=["conv", "mlp of two dimensions"])
def test_plain_autoencoder_reconstructs_better_than_the_vae_and_has_no_kl(trained: Trainer, system: dict) -> None:
    plain, variational = trained(**system, **PLAIN), trained(**system, kl_weight=0.1)
    assert plain.kl_nats == 0.0
    assert plain.elbo_nats is None
    assert plain.mse_minus1_to_1 < 0.8 * variational.mse_minus1_to_1
    assert plain.active_dimensions == system["latent_dim"]


def test_larger_kl_weight_lowers_the_kl_and_raises_the_reconstruction_error(trained: Trainer) -> None:
    loose, middle, tight = (trained(**CONV, kl_weight=kl_weight) for kl_weight in (0.01, 0.1, 1.0))
    assert loose.kl_nats > 2 * middle.kl_nats > 4 * tight.kl_nats > 0
    assert 2 * loose.mse_minus1_to_1 < 1.5 * middle.mse_minus1_to_1
    assert 1.5 * middle.mse_minus1_to_1 < tight.mse_minus1_to_1


def test_free_nats_keep_dimensions_in_use_that_the_kl_would_close(trained: Trainer) -> None:
    closed, kept = trained(**CONV, kl_weight=1.0), trained(**CONV, kl_weight=1.0, free_nats=0.5)
    assert closed.active_dimensions == 0
    assert kept.active_dimensions > 0
    assert kept.kl_nats > 20 * closed.kl_nats
    assert kept.mse_minus1_to_1 < 0.8 * closed.mse_minus1_to_1
