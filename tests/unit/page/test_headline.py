"""The headline numbers: what they are said to mean, and how files that are none are refused."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from builders import tiny_model, tiny_params
from mnist_vae.console.stage import UserError
from mnist_vae.page.headline import Card, Numbers, headline, load_numbers
from page_runs import NUMBERS

METRICS = {
    "mse_minus1_to_1": 0.5,
    "kl_nats": 3.0,
    "elbo_nats": -10.0,
    "effective_beta": 1.0,
    "active_dimensions": 2,
    "parameter_count": 7,
}
CLASSES = "class,mse_minus1_to_1,kl_nats\n" + "".join(f"{label},{label / 10},1\n" for label in range(10))


def _cards(numbers: Numbers = NUMBERS, images: np.ndarray | None = None, **changes: object) -> dict[str, Card]:
    params = tiny_params(**changes).of_model()
    shown = np.zeros((4, 1, 16, 16), np.uint8) if images is None else images
    return {card.name: card for card in headline(numbers, params, tiny_model(**changes), shown)}


def test_reconstruction_error_is_set_against_the_mean_image() -> None:
    images = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)  # −1 and 1: the mean is 0, each a distance of 1 away
    card = _cards(images=images)["Reconstruction error"]
    assert card.value == "0.05"
    assert "would give 1;" in card.good
    assert "explains 95.0 % of that" in card.good


def test_images_that_are_all_the_same_leave_nothing_to_explain() -> None:
    assert "nan" not in _cards()["Reconstruction error"].good


@pytest.mark.parametrize(
    ("changes", "how", "what"),
    [
        ({"kl_weight": 0.1}, "0.1 × 256 / 3 = 0.8", "Gaussian decoder of variance 0.4 "),
        ({"reduction": "sum", "kl_weight": 0.8}, "β is kl_weight itself, 0.8.", "Gaussian decoder of variance 0.4 "),
        (
            {"reduction": "sum", "kl_weight": 0.8, "reconstruction": "squared_error_sigmoid"},
            "β is kl_weight itself",
            "Gaussian decoder of variance 1.6 ",
        ),
        ({"reduction": "sum", "kl_weight": 0.8, "reconstruction": "bernoulli"}, "itself", "β = 1 is the ELBO itself"),
    ],
)
def test_effective_beta_says_what_kl_weight_does(changes: dict, how: str, what: str) -> None:
    card = _cards(**changes)["Effective β"]
    assert how in card.meaning
    assert what in card.good


def test_page_says_that_beta_0_keeps_no_codes_near_the_prior() -> None:
    numbers = NUMBERS._replace(effective_beta=0.0, elbo_nats=None)
    cards = _cards(numbers, kl_weight=0)
    assert "Nothing keeps the codes near the prior" in cards["Effective β"].good
    assert "ELBO" not in cards


def test_plain_autoencoder_has_no_kl_and_no_beta() -> None:
    cards = _cards(NUMBERS._replace(elbo_nats=None), variational=False, kl_weight=0)
    assert set(cards) == {"Reconstruction error", "Active dimensions", "Weights"}


def test_negative_log_likelihood_names_its_samples_and_its_standard_error() -> None:
    numbers = NUMBERS._replace(nll_nats=88.664, nll_standard_error_nats=0.2368, nll_samples=5000)
    bits = {"reduction": "sum", "kl_weight": 1, "reconstruction": "bernoulli", "binarisation": "fixed"}
    card = _cards(numbers, **bits)["Negative log-likelihood"]
    assert (card.value, card.unit) == ("≤ 88.664", "nats per image, standard error 0.24")
    assert "under a Bernoulli decoder, from 5,000 importance samples." in card.meaning
    assert "papers" in card.good
    one = _cards(numbers._replace(nll_nats=-3.0, nll_samples=1))["Negative log-likelihood"]
    assert one.value == "≤ −3"
    assert "one importance sample" in one.meaning
    assert "papers" not in one.good
    assert "Negative log-likelihood" not in _cards()


def test_numbers_are_those_of_the_files(tmp_path: Path) -> None:
    metrics, classes = tmp_path / "metrics.json", tmp_path / "classes.csv"
    classes.write_text(CLASSES)
    metrics.write_text(json.dumps(METRICS))
    assert load_numbers(metrics, classes) == Numbers(0.5, 3.0, 1.0, 2, 7, -10.0, [label / 10 for label in range(10)])
    bounds = {"nll_nats": 9.5, "nll_standard_error_nats": 0.5, "nll_nats_k1": 10.0, "nll_nats_k10": 9.5}
    metrics.write_text(json.dumps(METRICS | bounds))
    assert load_numbers(metrics, classes)[-3:] == (9.5, 0.5, 10)
    names = ("a, b", 'c"d', "e")
    with classes.open("w", newline="") as file:
        csv.writer(file).writerows([["class", "mse_minus1_to_1"], *([name, "0.5"] for name in names)])
    assert load_numbers(metrics, classes, names).class_mse == [0.5, 0.5, 0.5]
    classes.write_text("class,mse_minus1_to_1,kl_nats\n")
    assert load_numbers(metrics, classes, ()).class_mse == []
    classes.write_text(CLASSES)
    metrics.write_text(json.dumps({name: value for name, value in METRICS.items() if name != "elbo_nats"}))
    assert load_numbers(metrics, classes).elbo_nats is None


@pytest.mark.parametrize(
    ("metrics", "classes"),
    [
        ("{", CLASSES),
        ("[]", CLASSES),
        ("{}", CLASSES),
        (json.dumps(METRICS | {"kl_nats": "many"}), CLASSES),
        (json.dumps(METRICS | {"kl_nats": [1]}), CLASSES),
        (json.dumps(METRICS | {"nll_nats_kx": 1.0}), CLASSES),
        (json.dumps(METRICS), ""),
        (json.dumps(METRICS), CLASSES[: len(CLASSES) // 2]),
        (json.dumps(METRICS), CLASSES.replace("class,", "label,")),
        (json.dumps(METRICS), CLASSES + "0,0.1,1\n"),
    ],
)
def test_foreign_files_are_refused_by_their_names(tmp_path: Path, metrics: str, classes: str) -> None:
    paths = tmp_path / "metrics.json", tmp_path / "classes.csv"
    for path, text in zip(paths, (metrics, classes), strict=True):
        path.write_text(text)
    with pytest.raises(UserError, match=r"metrics\.json.*run `dvc repro evaluate"):
        load_numbers(*paths)
    paths[1].unlink()
    with pytest.raises(UserError, match=r"classes\.csv is missing"):
        load_numbers(*paths)
