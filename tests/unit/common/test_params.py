import re
from pathlib import Path

import pytest
import yaml

from builders import PLAIN, TINY, tiny_params
from mnist_vae.common.params import FigureParams, ModelParams, Params, load_params
from mnist_vae.console.stage import UserError
from places import REPOSITORY
from wrong_params import WRONG

PARAMS_FILE = REPOSITORY / "params.yaml"

TUTORIAL = {
    "image_size": 32,
    "network": "conv",
    "variational": True,
    "latent_dim": 128,
    "conv_channels": (16, 32, 64),
    "reconstruction": "squared_error",
    "reduction": "mean",
    "kl_weight": 0.1,
    "kl_warmup_epochs": 0,
    "free_nats": 0,
    "importance_samples": 1,
    "sticking_the_landing": False,
    "epochs": 10,
    "batch_size": 64,
    "learning_rate": 0.0001,
    "learning_rate_schedule": "constant",
    "adam_betas": (0.5, 0.999),
    "adam_epsilon": 1e-8,
    "binarisation": "none",
    "output_bias": "random",
}


def _complaint(path: Path, content: str | dict) -> str:
    """The one line that refuses a file."""
    path /= "params.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    with pytest.raises(UserError) as caught:
        load_params(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def test_every_key_has_wrong_values_to_be_tried() -> None:
    assert list(WRONG) == list(yaml.safe_load(PARAMS_FILE.read_text()))


@pytest.mark.parametrize("betas", [[-0.1, 0.9], [0.9, 1.0], [1, 0.9], ["0.5", 0.9], [0.5, True], [0.5, None]])
def test_wrong_one_of_adams_betas_is_refused_by_place_and_value(tmp_path: Path, betas: list) -> None:
    place = next(place for place, beta in enumerate(betas) if beta not in {0.5, 0.9} or not isinstance(beta, float))
    assert f"adam_betas.{place} is {betas[place]!r}, but must be " in _complaint(tmp_path, TINY | {"adam_betas": betas})


def test_single_beta_is_refused(tmp_path: Path) -> None:
    assert "adam_betas" in _complaint(tmp_path, TINY | {"adam_betas": [0.5]})


def test_third_beta_is_refused_with_what_is_allowed(tmp_path: Path) -> None:
    text = _complaint(tmp_path, TINY | {"adam_betas": [0.5, 0.9, 0.9]})
    assert text.endswith("adam_betas is [0.5, 0.9, 0.9], but must be a list of two numbers")


@pytest.mark.parametrize("key", ["conv_channels", "deep_channels", "mlp_widths"])
@pytest.mark.parametrize("width", [0, -2, 65_537, 2.0, "2", True, None, [2]], ids=repr)
def test_wrong_width_is_refused_by_key_place_and_value(tmp_path: Path, key: str, width: object) -> None:
    assert f"{key}.1 is {width!r}, but must be " in _complaint(tmp_path, TINY | {key: [4, width, 4]})


@pytest.mark.parametrize("key", ["conv_channels", "deep_channels", "mlp_widths"])
@pytest.mark.parametrize("widths", [[], [2] * 21, 32, None, "[32, 64]"], ids=repr)
def test_what_is_no_list_of_widths_is_refused_with_what_is_allowed(tmp_path: Path, key: str, widths: object) -> None:
    text = _complaint(tmp_path, TINY | {key: widths})
    assert text.endswith(f"{key} is {widths!r}, but must be a list of 1 to 20 whole numbers")


def test_key_given_twice_is_refused_by_name(tmp_path: Path) -> None:
    assert "kl_weight appears twice" in _complaint(tmp_path, PARAMS_FILE.read_text() + "kl_weight: 0.2\n")


def test_all_wrong_keys_are_named_at_once(tmp_path: Path) -> None:
    text = _complaint(tmp_path, TINY | {"epochs": 0, "kl_weight": -2, "device": "gpu"})
    assert all(part in text for part in ("epochs is 0", "kl_weight is -2", "device is 'gpu'"))


def test_unknown_key_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    text = _complaint(tmp_path, TINY | {"kl_wieght": 0.5})
    assert "kl_wieght (value 0.5) is not a parameter" in text
    assert "kl_weight, kl_warmup_epochs, free_nats, epochs" in text


@pytest.mark.parametrize("key", WRONG)
def test_missing_key_is_named(tmp_path: Path, key: str) -> None:
    left = {name: value for name, value in TINY.items() if name != key}
    assert _complaint(tmp_path, left).endswith(f": {key} is missing")


def test_one_whole_batch_left_is_enough() -> None:
    assert tiny_params(validation_size=1429).validation_size == 1429


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "deep", "image_size": 28, "deep_channels": [32, 64]},
        {"network": "mlp", "image_size": 17},
        {"kl_warmup_epochs": 2, "epochs": 3},
        {"kl_warmup_epochs": 1, "epochs": 1.5},
        {"free_nats": 0.5},
        # The knobs of the networks that are not in use do not matter.
        {"network": "mlp", "deep_channels": [2] * 20},
        {"network": "conv_dense", "image_size": 28, "conv_channels": [4, 8], "activation": "silu"},
        {"binarisation": "dynamic", "reconstruction": "bernoulli"},
        {"network": "mlp", "reconstruction": "bernoulli", "output_bias": "mean_image"},
        {"importance_samples": 5, "reduction": "sum", "kl_weight": 1, "kl_warmup_epochs": 1, "epochs": 2},
        {"sticking_the_landing": True, "reduction": "sum", "kl_weight": 1, "kl_warmup_epochs": 1, "epochs": 2},
        {"likelihood_samples": 0},
        PLAIN,
    ],
    ids=str,
)
def test_valid_combination_is_accepted(changes: dict) -> None:
    params = tiny_params(**changes).model_dump()
    assert {key: list(value) if isinstance(value, tuple) else value for key, value in params.items()} == TINY | changes


@pytest.mark.parametrize(
    ("epochs", "images", "steps"),
    [
        (1, [100], [15]),
        (2, [100, 100], [15, 15]),
        (2.0, [100, 100], [15, 15]),
        (0.5, [50], [8]),
        (1.6, [100, 60], [15, 9]),
        (2.1, [100, 100, 10], [15, 15, 2]),  # 2.1 - 2 is not quite 0.1
        (1.496, [100, 50], [15, 8]),  # rounded
    ],
)
def test_last_epoch_takes_the_part_that_epochs_has_beyond_a_whole_number(
    epochs: float, images: list[int], steps: list[int]
) -> None:
    params = tiny_params(epochs=epochs, batch_size=7).of_model()
    assert params.images_of_epochs(100) == images
    assert params.steps_of_epochs(100) == steps
    assert params.epoch_count == len(images)


def test_whole_number_of_epochs_is_the_same_training_with_and_without_a_point() -> None:
    assert tiny_params(epochs=3.0).model_dump_json() == tiny_params(epochs=3).model_dump_json()


def test_number_in_quotes_is_explained(tmp_path: Path) -> None:
    text = _complaint(tmp_path, "\n".join(PARAMS_FILE.read_text().splitlines()).replace("0.0001", "'1e-4'"))
    assert "learning_rate is '1e-4'" in text
    assert text.endswith("(that is a text: write 0.0001, without quotes)")


@pytest.mark.parametrize("text", ["1e-05", "1e-5", "1.0E-05", ".00001", "0.00001"])
def test_small_number_may_be_written_as_dvc_writes_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS_FILE.read_text().replace("learning_rate: 0.0001", f"learning_rate: {text}"))
    assert load_params(path).learning_rate == 0.00001


@pytest.mark.parametrize(
    ("key", "value"),
    [("kl_weight", "1e-3"), ("kl_weight", "1e2"), ("learning_rate", "2e-11"), ("epochs", "1e1"), ("epochs", "12")],
)
def test_value_that_the_message_suggests_is_accepted(tmp_path: Path, key: str, value: str) -> None:
    others = yaml.safe_dump({k: v for k, v in TINY.items() if k != key})
    hint = re.search(r"a text: write ([^,]*), without", _complaint(tmp_path, f"{others}{key}: '{value}'\n"))
    assert hint is not None
    (tmp_path / "params.yaml").write_text(f"{others}{key}: {hint[1]}\n")
    assert getattr(load_params(tmp_path / "params.yaml"), key) == float(value)


@pytest.mark.parametrize("content", ["", "- 1\n", "text\n", "seed: [\n", "seed: 2024-13-45\n", "\tseed: 1\n", "1: 2\n"])
def test_what_is_no_table_of_parameters_is_refused(tmp_path: Path, content: str) -> None:
    _complaint(tmp_path, content)


def test_missing_file_and_folder_in_its_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is missing"):
        load_params(tmp_path / "params.yaml")
    with pytest.raises(UserError, match="cannot be read"):
        load_params(tmp_path)


def test_params_file_holds_the_tutorials_recipe() -> None:
    params = load_params(PARAMS_FILE).model_dump()
    assert {key: params[key] for key in TUTORIAL} == TUTORIAL
    assert params["dataset"] == "mnist"


def test_every_field_is_in_the_file_with_a_comment() -> None:
    commented = re.findall(r"^(\w+): +\S.*? +# \S.+$", PARAMS_FILE.read_text(), re.MULTILINE)
    assert sorted(commented) == sorted(Params.model_fields)


def test_model_and_figure_parameters_are_disjoint_and_all_groups_cover_every_parameter() -> None:
    params = tiny_params(kl_weight=0.25, interpolation_steps=7)
    model, figures, custom = params.of_model(), params.of_figures(), params.of_custom()
    assert type(model) is ModelParams
    assert type(figures) is FigureParams
    assert not model.model_dump().keys() & figures.model_dump().keys()
    together = model.model_dump() | figures.model_dump() | custom.model_dump() | params.of_evaluation().model_dump()
    assert together | {"custom_data": ""} == params.model_dump()


def test_whole_number_is_taken_where_a_fraction_may_stand() -> None:
    params = tiny_params(kl_weight=1, adam_betas=[0, 0.9])
    assert (params.kl_weight, params.adam_betas) == (1.0, (0.0, 0.9))
