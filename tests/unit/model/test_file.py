from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from builders import PLAIN, tiny_images, tiny_model, tiny_params
from mnist_vae.console.stage import UserError
from mnist_vae.model.file import Origin, load_model, load_origin, save_model
from mnist_vae.model.networks import NETWORKS
from mnist_vae.training.loop import TrainingImages, fit

CPU = torch.device("cpu")


def _origin(**changes: object) -> Origin:
    return Origin(params=tiny_params(**changes).of_model(), data_md5="0" * 32, fingerprint="f" * 16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of an untrained model."""
    path = tmp_path / "models" / "model.safetensors"
    save_model(tiny_model(), _origin(), path)
    return path


def _refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_model(path, CPU)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert len(text) < 600
    return text


@pytest.mark.parametrize(
    "changes", [{"kl_weight": 0.3, "free_nats": 0.1}, *({"network": name} for name in NETWORKS), PLAIN], ids=str
)
def test_trained_model_comes_back_to_the_bit(tmp_path: Path, changes: dict) -> None:
    model = tiny_model(**changes)
    fit(model, TrainingImages(tiny_images(20), tiny_images(4)), tiny_params().of_model())
    save_model(model, _origin(**changes), tmp_path / "model")
    again = load_model(tmp_path / "model", CPU)
    assert again.origin == load_origin(tmp_path / "model") == _origin(**changes)
    assert again.autoencoder.objective == model.objective
    assert list(again.autoencoder.state_dict()) == list(model.state_dict())
    for name, weight in again.autoencoder.state_dict().items():
        assert torch.equal(weight, model.state_dict()[name]), name
    images = tiny_images(5)
    assert torch.equal(again.autoencoder.encode(images).mean, model.eval().encode(images).mean)


def test_loaded_model_is_in_evaluation_mode(path: Path) -> None:
    assert not any(layer.training for layer in load_model(path, CPU).autoencoder.modules())


def test_loading_leaves_torchs_own_generator_alone(path: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(4)
    torch.manual_seed(7)
    load_model(path, CPU)
    assert torch.equal(torch.rand(4), expected)


def test_missing_file_is_refused_by_name(path: Path) -> None:
    path.unlink()
    assert "is missing: run `dvc repro" in _refusal(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"mnist_vae": "{}"}, {"mnist_vae": "not JSON"}])
def test_foreign_file_is_refused_by_name(path: Path, metadata: dict[str, str] | None) -> None:
    save_file({"weight": torch.zeros(3)}, path, metadata)
    assert "is not a model of this project" in _refusal(path)


def _rewrite(path: Path, origin: Origin | None = None, *, without: str = "", extra: str = "") -> None:
    weights = load_file(path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    weights.pop(without, None)
    if extra:
        weights[extra] = torch.zeros(2)
    save_file(weights, path, {"mnist_vae": origin.model_dump_json()} if origin else metadata)


def test_missing_weight_is_refused_by_name(path: Path) -> None:
    _rewrite(path, without="encoder.layers.3.weight")
    text = _refusal(path)
    assert "does not fit its own parameters" in text
    assert "encoder.layers.3.weight" in text


def test_unexpected_weight_is_refused_by_name(path: Path) -> None:
    _rewrite(path, extra="encoder.layers.77.weight")
    assert "encoder.layers.77.weight" in _refusal(path)


@pytest.mark.parametrize(
    "change", [{"latent_dim": 5}, {"conv_channels": [4, 8, 16]}, {"image_size": 32}, {"network": "mlp"}, PLAIN], ids=str
)
def test_weights_of_another_size_than_the_parameters_say_are_refused(path: Path, change: dict) -> None:
    _rewrite(path, _origin(**change))
    assert "does not fit its own parameters" in _refusal(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_number_that_is_not_finite_is_refused_by_name(path: Path, value: float) -> None:
    weights = load_file(path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    weights["encoder.layers.3.weight"][0, 0, 0, 0] = value
    save_file(weights, path, metadata)
    assert "not finite, in encoder.layers.3.weight" in _refusal(path)
