"""The explorer's data: where codes lie on the map, which test images it holds, how exact its networks are."""

import base64
import json

import numpy as np
import pytest
import torch

from mnist_vae.page.explorer import Classes, ExplorerData, explorer_data
from mnist_vae.page.export import UnsupportedLayerError
from mnist_vae.page.report import Run
from page_runs import KINDS, page_run


def _data(run: Run) -> ExplorerData:
    params = run.trained.origin.params
    classes = Classes(run.class_names, run.figure_params)
    return explorer_data(run.trained.autoencoder, run.data.test, run.latents, params, classes)


def _array(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


@pytest.mark.parametrize("name", ["conv", "plane", "plain plane"])
def test_map_has_the_codes_where_they_lie(name: str) -> None:
    run = page_run(**KINDS[name])
    drawn = _data(run).content["map"]
    low, high = np.array(drawn["low"]), np.array(drawn["high"])
    points = low + (high - low) * _array(drawn["points"], "<u2").reshape(-1, 2) / 65535
    origin, directions = _array(drawn["origin"], "<f4"), _array(drawn["directions"], "<f4").reshape(2, -1)
    expected = (run.latents.mean - origin) @ directions.T
    np.testing.assert_allclose(points, expected, atol=1e-4 * (high - low).max())
    assert (high - low)[0] == pytest.approx((high - low)[1])
    assert (_array(drawn["labels"], "<u2") == run.data.test.labels).all()
    assert (drawn["explained"] is None) == (run.latents.mean.shape[1] == 2)


def test_codes_of_one_dimension_have_no_map() -> None:
    assert _data(page_run(latent_dim=1)).content["map"] is None


def test_test_images_are_the_first_of_each_class_as_they_are() -> None:
    run = page_run()
    tests = _data(run).content["tests"]
    assert tests["numbers"] == sorted(tests["numbers"])
    assert tests["labels"] == run.data.test.labels[tests["numbers"]].tolist()
    for label in range(10):
        of_class = [place for place in tests["numbers"] if run.data.test.labels[place] == label]
        assert of_class
        assert of_class == np.flatnonzero(run.data.test.labels == label)[: len(of_class)].tolist()


def test_test_images_are_few_and_of_many_classes_one_each() -> None:
    names = tuple(f"class {number}" for number in range(300))
    run = page_run(names, dataset="custom", custom_data="mine")
    tests = _data(run).content["tests"]
    assert len(tests["numbers"]) == 200
    assert tests["labels"] == list(range(200))
    two = page_run(("a", "b"), dataset="custom", custom_data="mine")
    assert _data(two).content["tests"]["numbers"] == list(range(len(two.data.test.labels)))


def test_large_images_are_fewer() -> None:
    run = page_run(network="mlp", mlp_widths=[4], image_size=128)
    tests = _data(run).content["tests"]
    assert len(tests["images"]) < 150_000
    assert len(tests["numbers"]) >= 2


def test_map_of_many_test_images_shows_some_of_all_of_them() -> None:
    run = page_run()
    copies = [np.tile(array, (200, 1)) for array in (run.latents.mean, run.latents.kl)]
    labels = np.arange(len(copies[0])) % 10
    run = run._replace(latents=run.latents._replace(mean=copies[0], kl=copies[1], labels=labels.astype(np.uint8)))
    drawn = _data(run).content["map"]
    assert (drawn["shown"], drawn["count"]) == (10_000, 26_000)
    chosen = np.linspace(0, 25_999, 10_000).round().astype(int)
    assert (_array(drawn["labels"], "<u2") == labels[chosen]).all()


@pytest.mark.parametrize(
    ("names", "ends", "anchors"),
    [
        (("cat", "dog", "owl"), ("owl", "cat"), [2, 0]),
        (("cat", "dog", "owl"), (1, 2), [1, 2]),
        (("cat", "dog", "owl"), (1, 8), [0, 1]),
        (("cat", "dog", "owl"), ("dog", 1), [0, 1]),
        ((), (1, 8), [0, 1]),
    ],
)
def test_path_ends_are_the_chosen_classes_if_they_exist(
    names: tuple[str, ...], ends: tuple[int | str, int | str], anchors: list[int]
) -> None:
    run = page_run(names, dataset="custom", custom_data="mine", interpolation_from=ends[0], interpolation_to=ends[1])
    assert _data(run).content["anchors"] == anchors


@pytest.mark.parametrize(("edge", "ground"), [(0, 0), (250, 255)])
def test_custom_images_are_drawn_on_the_ground_of_their_edges(edge: int, ground: int) -> None:
    run = page_run(("a",), dataset="custom", custom_data="mine")
    images = np.full_like(run.data.test.images, 128)
    images[:, :, [0, -1]] = images[:, :, :, [0, -1]] = edge
    run = run._replace(data=run.data._replace(test=run.data.test._replace(images=images)))
    drawing = _data(run).content["drawing"]
    assert (drawing["ground"], drawing["side"]) == (ground, 0)


def test_dimensions_are_sorted_by_kl_or_by_variance_without_a_prior() -> None:
    run = page_run(latent_dim=6)
    order = _data(run).content["dimensions"]["order"]
    assert order == np.argsort(-run.latents.kl.mean(axis=0), kind="stable").tolist()
    plain = page_run(latent_dim=6, variational=False, kl_weight=0)
    spread = plain.latents.mean.std(axis=0)
    assert _data(plain).content["dimensions"]["order"] == np.argsort(-spread, kind="stable").tolist()


@pytest.mark.parametrize(
    ("changes", "formats"),
    [
        ({}, ("float16", "float16")),
        # 16 · 16 · w · 2 weights of the first and the last layer, and little else.
        ({"network": "mlp", "mlp_widths": [800]}, ("int8", "float16")),
        ({"network": "mlp", "mlp_widths": [1500]}, ("int8", "int8")),
        ({"network": "mlp", "mlp_widths": [2500]}, ("int6", "int8")),
    ],
)
def test_formats_are_the_best_that_the_page_has_room_for(changes: dict, formats: tuple[str, str]) -> None:
    data = _data(page_run(**changes))
    assert (data.precision.encoder, data.precision.decoder) == formats
    kinds = {kind for layer in data.content["decoder"] for kind in layer if kind in {"float16", "int8", "int6"}}
    assert kinds == {formats[1]}


def test_networks_that_would_fill_the_page_are_refused() -> None:
    with pytest.raises(UnsupportedLayerError, match=r"the networks would take \d+ MB of the page"):
        _data(page_run(network="mlp", mlp_widths=[20_000]))


def test_stated_precision_is_the_change_by_rounded_weights() -> None:
    run = page_run(network="mlp", mlp_widths=[1500])
    precision = _data(run).precision
    # An independent way through the same rounding: the module's own weights, rounded.
    model = run.trained.autoencoder
    images = torch.from_numpy(run.data.test.images[:100].copy())
    with torch.no_grad():
        codes = model.encode(images).mean
        expected = model.decode(codes)
        for weight in (one for one in model.parameters() if one.ndim == 2):
            step = weight.abs().amax(dim=1, keepdim=True) / 127
            weight.copy_((weight / step).round() * step)
        decoded, reconstructed = model.decode(codes), model.decode(model.encode(images).mean)
    assert precision.decoded_off == pytest.approx((decoded - expected).abs().max().item(), rel=1e-3)
    assert precision.reconstructed_off == pytest.approx((reconstructed - expected).abs().max().item(), rel=1e-3)
    assert 0 < precision.decoded_off < 0.05


def test_data_are_json_and_the_same_each_time() -> None:
    first, second = (json.dumps(_data(page_run()).content, allow_nan=False) for _ in range(2))
    assert first == second
