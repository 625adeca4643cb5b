import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from builders import tiny_params
from mnist_vae.fingerprint import training_fingerprint
from mnist_vae.params import ModelParams

CPU = torch.device("cpu")
MD5 = "0" * 32
CHANGED = {
    "seed": 1,
    "dataset": "kmnist",
    "image_size": 32,
    "validation_size": 101,
    "latent_dim": 4,
    "base_channels": 3,
    "reconstruction": "bernoulli",
    "reduction": "sum",
    "kl_weight": 0.11,
    "epochs": 2,
    "batch_size": 9,
    "learning_rate": 0.002,
    "adam_betas": [0.5, 0.99],
    "device": "auto",
    "threads": 2,
}


def _fingerprint(**changes: object) -> str:
    return training_fingerprint(tiny_params(**changes).of_model(), MD5, CPU)


def test_same_origin_has_the_same_fingerprint() -> None:
    assert _fingerprint() == _fingerprint()
    assert len(_fingerprint()) == 16


def test_every_parameter_of_the_model_counts() -> None:
    # `network` has one value only, and cannot be changed.
    assert CHANGED.keys() | {"network"} == set(ModelParams.model_fields)
    found = {_fingerprint(), *(_fingerprint(**{key: value}) for key, value in CHANGED.items())}
    assert len(found) == 1 + len(CHANGED)


def test_parameters_of_figures_do_not_count() -> None:
    assert _fingerprint(interpolation_to=3, interpolation_steps=50) == _fingerprint()


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


def test_source_of_the_package_counts_and_other_code_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "extra.py"
    source.write_text("one")
    module = ModuleType("extra")
    module.__file__ = str(source)
    without = _fingerprint()
    monkeypatch.setitem(sys.modules, "mnist_vae_other", module)
    assert _fingerprint() == without
    monkeypatch.setitem(sys.modules, "mnist_vae.extra", module)
    with_one = _fingerprint()
    source.write_text("two")
    assert len({without, with_one, _fingerprint()}) == 3
