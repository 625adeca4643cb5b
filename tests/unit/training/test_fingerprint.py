from pathlib import Path

import pytest
import torch

from builders import PLAIN, tiny_params
from mnist_vae.common.atomic import code_md5
from mnist_vae.common.params import ModelParams
from mnist_vae.training.fingerprint import FOLDERS, training_fingerprint

CPU = torch.device("cpu")
MD5 = "0" * 32
CHANGED = {
    "seed": 1,
    "dataset": "kmnist",
    "image_size": 32,
    "validation_size": 101,
    "network": "mlp",
    "latent_dim": 4,
    "conv_channels": [3, 4, 8],
    "deep_channels": [2, 4],
    "mlp_widths": [5, 5],
    "activation": "tanh",
    "reconstruction": "bernoulli",
    "reduction": "sum",
    "kl_weight": 0.11,
    "free_nats": 0.01,
    "epochs": 2,
    "batch_size": 9,
    "learning_rate": 0.002,
    "learning_rate_schedule": "linear",
    "adam_betas": [0.5, 0.99],
    "adam_epsilon": 0.0001,
    "device": "auto",
    "threads": 2,
    "processes": 2,
    "deterministic": False,
    "precision": "bfloat16",
}


def _fingerprint(**changes: object) -> str:
    return training_fingerprint(tiny_params(**changes).of_model(), MD5, CPU)


def test_same_origin_has_the_same_fingerprint() -> None:
    assert _fingerprint() == _fingerprint()
    assert len(_fingerprint()) == 16


def test_every_parameter_of_the_model_counts() -> None:
    # The other keys cannot change alone.
    together = {"variational", "kl_warmup_epochs", "binarisation", "output_bias", "importance_samples"}
    together |= {"sticking_the_landing"}
    assert CHANGED.keys() | together == set(ModelParams.model_fields)
    others = [{key: value} for key, value in CHANGED.items()]
    others += [{"kl_weight": 0}, PLAIN, {"epochs": 3}, {"epochs": 3, "kl_warmup_epochs": 1}]
    bits = {"reconstruction": "bernoulli", "network": "mlp"}
    others += [
        bits,
        *(bits | {"binarisation": name} for name in ("dynamic", "fixed")),
        bits | {"output_bias": "mean_image"},
    ]
    others += [bound := {"reduction": "sum", "kl_weight": 1}, bound | {"importance_samples": 2}]
    others += [bound | {"sticking_the_landing": True}]
    found = {_fingerprint(), *(_fingerprint(**changes) for changes in others)}
    assert len(found) == 1 + len(others)


def test_parameters_of_evaluation_and_figures_do_not_count() -> None:
    figures = {"interpolation_to": 3, "interpolation_steps": 50, "fitted_components": 4, "likelihood_samples": 5}
    assert _fingerprint(**figures) == _fingerprint()


def test_data_and_the_devices_kind_count() -> None:
    params = tiny_params().of_model()
    others = training_fingerprint(params, "1" * 32, CPU), training_fingerprint(params, MD5, torch.device("cuda"))
    assert len({_fingerprint(), *others}) == 3
    first, second = (training_fingerprint(params, MD5, torch.device("cuda", number)) for number in (0, 1))
    assert first == second


def test_torchs_build_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _fingerprint()
    monkeypatch.setattr(torch, "__version__", "2.0.0+other")
    assert _fingerprint() != before


def test_code_in_the_folders_of_a_training_counts_and_other_code_does_not(tmp_path: Path) -> None:
    for folder in (*FOLDERS, "tracking", "console"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "part.py").write_text("one")
    before = code_md5(tmp_path, FOLDERS)
    for aside in ("tracking", "console"):
        (tmp_path / aside / "part.py").write_text("two")
    (tmp_path / "model" / "__pycache__").mkdir()
    (tmp_path / "model" / "__pycache__" / "part.pyc").write_bytes(b"two")
    assert code_md5(tmp_path, FOLDERS) == before
    seen = {before}
    for folder in FOLDERS:
        (tmp_path / folder / "part.py").write_text("two")
        seen.add(code_md5(tmp_path, FOLDERS))
    (tmp_path / "model" / "part.py").rename(tmp_path / "model" / "other.py")
    assert len(seen | {code_md5(tmp_path, FOLDERS)}) == len(FOLDERS) + 2
