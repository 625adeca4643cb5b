import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from builders import PLAIN, tiny_params
from mnist_vae.common.params import ModelParams
from mnist_vae.model.networks import NETWORKS, load_network
from mnist_vae.training.fingerprint import training_fingerprint

TESTS = Path(__file__).parent
CPU = torch.device("cpu")
MD5 = "0" * 32
CHANGED = {
    "seed": 1,
    "dataset": "kmnist",
    "image_size": 32,
    "validation_size": 101,
    "network": "mlp",
    "latent_dim": 4,
    "base_channels": 3,
    "vanilla_channels": [2, 4],
    "mlp_widths": [5, 5],
    "reconstruction": "bernoulli",
    "reduction": "sum",
    "kl_weight": 0.11,
    "free_bits": 0.01,
    "epochs": 2,
    "batch_size": 9,
    "shuffle_block": 999,
    "learning_rate": 0.002,
    "learning_rate_schedule": "linear",
    "adam_betas": [0.5, 0.99],
    "device": "auto",
    "threads": 2,
    "processes": 2,
    "deterministic": False,
    "precision": "bfloat16",
}


@pytest.fixture
def _all_networks() -> None:
    # Loading one counts, so a first one in between would make what follows differ.
    for network in NETWORKS:
        load_network(network)


def _fingerprint(**changes: object) -> str:
    return training_fingerprint(tiny_params(**changes).of_model(), MD5, CPU)


def test_same_origin_has_the_same_fingerprint() -> None:
    assert _fingerprint() == _fingerprint()
    assert len(_fingerprint()) == 16


@pytest.mark.usefixtures("_all_networks")
def test_every_parameter_of_the_model_counts() -> None:
    # The other two keys cannot change alone.
    assert CHANGED.keys() | {"variational", "kl_warmup_epochs"} == set(ModelParams.model_fields)
    others = [{key: value} for key, value in CHANGED.items()]
    others += [{"kl_weight": 0}, PLAIN, {"epochs": 3}, {"epochs": 3, "kl_warmup_epochs": 1}]
    found = {_fingerprint(), *(_fingerprint(**changes) for changes in others)}
    assert len(found) == 1 + len(others)


def test_parameters_of_figures_do_not_count() -> None:
    figures = {"interpolation_to": 3, "interpolation_steps": 50, "fitted_samples": "mixture", "mixture_components": 4}
    assert _fingerprint(**figures) == _fingerprint()


def test_code_of_the_models_own_network_counts_and_that_of_others_does_not() -> None:
    # In a process of its own, where nothing else has loaded a network.
    script = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from test_fingerprint import CPU, MD5, tiny_params, training_fingerprint\n"
        "training_fingerprint(tiny_params(network='mlp').of_model(), MD5, CPU)\n"
        "print(*(name for name in sys.modules if name.startswith('mnist_vae.model.networks.')))"
    )
    search = [str(TESTS.parent / "src"), str(TESTS)]
    done = subprocess.run([sys.executable, "-c", script, *search], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["mnist_vae.model.networks.mlp"]


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
