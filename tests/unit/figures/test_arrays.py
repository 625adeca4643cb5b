from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

from builders import PLAIN, tiny_images, tiny_latents, tiny_model, tiny_params
from mnist_vae.common.seeds import derived_seed
from mnist_vae.console.stage import UserError
from mnist_vae.data.latents import Latents
from mnist_vae.figures.arrays import Pictures, class_means, draw_pictures, load_pictures, save_pictures
from mnist_vae.figures.mixture import sample_fitted
from mnist_vae.figures.projection import latent_plane
from mnist_vae.model.autoencoder import Autoencoder

COUNT = 60
IMAGES, LATENTS = tiny_images(COUNT), tiny_latents(COUNT)
GREY = IMAGES[:, 0].numpy() / 255
# Those that hold no brightness.
NUMBERS = {"labels", "mean_variance", "kl_per_dimension", "plane_quantiles", "scatter", "explained_variance"}
OF_A_PRIOR = {"samples", "perturbed", "kl_per_dimension"}
OF_A_PLANE = {"plane", "plane_quantiles", "scatter"}


def _model(**changes: object) -> Autoencoder:
    return tiny_model(seed=5, **changes).eval()


def _draw(seed: int = 0, model: Autoencoder | None = None, codes: Latents = LATENTS, **changes: object) -> Pictures:
    return draw_pictures(model or _model(), IMAGES, codes, seed, tiny_params(**changes).of_figures())


def _draw_of(**changes: object) -> Pictures:
    """The pictures of another model than the tiny one."""
    codes = tiny_latents(COUNT, latent_dim=int(str(changes.get("latent_dim", 3))))
    return _draw(model=_model(**changes), codes=codes)


def _there(array: np.ndarray | None) -> np.ndarray:
    assert array is not None
    return array


def _missing(pictures: Pictures) -> set[str]:
    return {name for name, array in pictures._asdict().items() if array is None}


def _decoded(codes: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return _model().decode(torch.from_numpy(codes).float())[:, 0].numpy()


def _loop_means() -> np.ndarray:
    sums, counts = np.zeros((10, 3)), [0] * 10
    for mean, label in zip(LATENTS.mean.astype(np.float64), LATENTS.labels.tolist(), strict=True):
        sums[label] += mean
        counts[label] += 1
    assert len(set(counts)) > 1
    return sums / np.array(counts)[:, None]


def test_class_means_divide_by_the_true_counts() -> None:
    np.testing.assert_allclose(class_means(LATENTS).numpy(), _loop_means(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(_there(_draw().class_means)[0], _decoded(_loop_means()), atol=1e-5)


@pytest.mark.parametrize("name", ["linear_interpolation", "spherical_interpolation"])
def test_interpolation_ends_at_the_class_means(name: str) -> None:
    pictures = _draw(interpolation_from=7, interpolation_to=2, interpolation_steps=9)
    images = getattr(pictures, name)
    assert images.shape == (1, 9, 16, 16)
    np.testing.assert_allclose(images[0, 0], _there(pictures.class_means)[0, 7], atol=1e-6)
    np.testing.assert_allclose(images[0, -1], _there(pictures.class_means)[0, 2], atol=1e-6)


def test_middle_of_lerp_is_the_mean_and_middle_of_slerp_bisects_the_angle() -> None:
    pictures = _draw(interpolation_from=7, interpolation_to=2, interpolation_steps=9)
    ends = _loop_means()[[7, 2]]
    np.testing.assert_allclose(
        _there(pictures.linear_interpolation)[0, 4], _decoded(ends.mean(axis=0)[None])[0], atol=1e-5
    )
    directions = ends / np.linalg.norm(ends, axis=1, keepdims=True)
    # Half of both ends' shares, over the half angle's cosine.
    cosine = np.linalg.norm(directions.sum(axis=0)) / 2
    middle = ends.mean(axis=0) / cosine
    np.testing.assert_allclose(_there(pictures.spherical_interpolation)[0, 4], _decoded(middle[None])[0], atol=1e-5)


def test_reconstructions_stand_below_their_originals() -> None:
    rows = _draw().reconstructions
    assert rows.shape == (4, 10, 16, 16)
    np.testing.assert_allclose(rows[0], GREY[:10], atol=1e-6)
    np.testing.assert_allclose(rows[1], _decoded(LATENTS.mean[:10]), atol=1e-6)
    np.testing.assert_allclose(rows[2], GREY[10:20], atol=1e-6)
    np.testing.assert_allclose(rows[3], _decoded(LATENTS.mean[10:20]), atol=1e-6)


def test_rows_of_classes_hold_the_first_images_of_each_class_and_their_reconstructions() -> None:
    pictures = _draw()
    of_class = [[place for place, found in enumerate(LATENTS.labels) if found == label] for label in range(10)]
    # As many as each class has.
    columns = min(len(places) for places in of_class)
    assert 1 < columns < max(len(places) for places in of_class)
    originals, reconstructions = _there(pictures.class_originals), _there(pictures.class_reconstructions)
    assert originals.shape == reconstructions.shape == (10, columns, 16, 16)
    for label, places in enumerate(of_class):
        np.testing.assert_allclose(originals[label], GREY[places[:columns]], atol=1e-6)
        expected = _decoded(LATENTS.mean[places[:columns]])
        np.testing.assert_allclose(reconstructions[label], expected, atol=1e-6)


def test_row_of_a_class_has_at_most_ten_images() -> None:
    labels = np.repeat(np.arange(10), 12).astype(np.uint8)
    images, codes = tiny_images(120), tiny_latents(120)._replace(labels=labels)
    pictures = draw_pictures(_model(), images, codes, 0, tiny_params().of_figures())
    assert _there(pictures.class_originals).shape == (10, 10, 16, 16)
    np.testing.assert_allclose(_there(pictures.class_originals)[4], images[48:58, 0].numpy() / 255, atol=1e-6)


def test_perturbed_codes_begin_with_a_classs_first_image_and_its_mean_code() -> None:
    rows = _there(_draw().perturbed)
    assert rows.shape == (10, 10, 16, 16)
    for label, row in enumerate(rows):
        first = LATENTS.labels.tolist().index(label)
        np.testing.assert_allclose(row[0], GREY[first], atol=1e-6)
        np.testing.assert_allclose(row[1], _decoded(LATENTS.mean[first : first + 1])[0], atol=1e-6)


def test_perturbed_codes_are_mean_codes_plus_normal_noise_and_samples_are_normal_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fitted = sample_fitted(LATENTS.train_mean, 100, 1, derived_seed(0, "fitted samples"))
    model, decoded = _model(), []
    decode = model.decode

    def spy(codes: Tensor) -> Tensor:
        decoded.append(codes)
        return decode(codes)

    monkeypatch.setattr(model, "decode", spy)
    _draw(model=model)
    of_fitted = torch.from_numpy(fitted).float()
    (samples,) = [codes for codes in decoded if len(codes) == 100 and not torch.equal(codes, of_fitted)]
    (perturbed,) = [codes for codes in decoded if len(codes) == 90]
    rows = perturbed.reshape(10, 9, 3)
    noise = rows[:, 1:] - rows[:, :1]
    for drawn in (samples, noise):
        # Within five standard errors.
        assert abs(float(drawn.mean())) < 5 / drawn.numel() ** 0.5
        assert abs(float(drawn.std()) - 1) < 5 / (2 * drawn.numel()) ** 0.5
        assert len(drawn.unique()) == drawn.numel()


@pytest.mark.parametrize("components", [1, 3])
def test_fitted_samples_are_drawn_from_what_is_fitted_to_the_training_codes(components: int) -> None:
    # Training codes far from those of the test set.
    codes = LATENTS._replace(train_mean=LATENTS.train_mean * 0.1 + 5)
    pictures = _draw(codes=codes, fitted_components=components)
    fitted = sample_fitted(codes.train_mean, 100, components, derived_seed(0, "fitted samples"))
    assert np.abs(fitted.mean(axis=0) - 5).max() < 0.1
    np.testing.assert_allclose(pictures.fitted_samples.reshape(100, 16, 16), _decoded(fitted), atol=1e-5)


def test_plane_is_the_decoded_grid_and_the_scatter_the_test_codes_in_it() -> None:
    pictures = _draw()
    plane = latent_plane(LATENTS.mean, has_prior=True)
    assert plane is not None
    assert _there(pictures.plane).shape == (20, 20, 16, 16)
    expected = _decoded(plane.grid(20).reshape(400, 3)).reshape(20, 20, 16, 16)
    np.testing.assert_allclose(_there(pictures.plane), expected, atol=1e-5)
    np.testing.assert_allclose(_there(pictures.plane_quantiles), plane.quantiles(20))
    np.testing.assert_allclose(_there(pictures.scatter), plane.coordinates(LATENTS.mean.astype(np.float64)))
    np.testing.assert_allclose(_there(pictures.explained_variance), _there(plane.explained))


@pytest.mark.parametrize("changes", [{}, PLAIN], ids=["variational", "plain"])
def test_plane_of_two_dimensions_lies_where_the_prior_does_or_else_the_codes(changes: dict) -> None:
    pictures, codes = _draw_of(latent_dim=2, **changes), tiny_latents(COUNT, latent_dim=2)
    plane = latent_plane(codes.mean, has_prior=not changes)
    assert plane is not None
    np.testing.assert_allclose(_there(pictures.plane_quantiles), plane.quantiles(20))
    np.testing.assert_allclose(_there(pictures.scatter), plane.coordinates(codes.mean.astype(np.float64)))


def test_numbers_of_dimensions_are_means_and_variances_of_the_codes() -> None:
    pictures = _draw()
    kl, mean = LATENTS.kl.astype(np.float64), LATENTS.mean.astype(np.float64)
    np.testing.assert_allclose(_there(pictures.kl_per_dimension), [sum(column) / COUNT for column in kl.T.tolist()])
    np.testing.assert_allclose(pictures.mean_variance, [np.var(column) for column in mean.T])
    assert np.array_equal(_there(pictures.labels), LATENTS.labels)


def test_pictures_are_a_function_of_the_seed() -> None:
    first = _draw(0)
    torch.rand(3)
    again, other = _draw(0), _draw(1)
    for name, pictures in first._asdict().items():
        assert np.array_equal(pictures, getattr(again, name)), name
        random = name in {"samples", "perturbed", "fitted_samples"}
        assert np.array_equal(pictures, getattr(other, name)) == (not random), name
    assert np.array_equal(_there(first.perturbed)[:, :2], _there(other.perturbed)[:, :2])


@pytest.mark.parametrize("changes", [{}, PLAIN, {"latent_dim": 2}, {"reconstruction": "bernoulli"}], ids=str)
def test_all_pictures_are_brightness_from_0_to_1(changes: dict) -> None:
    for name, pictures in _draw_of(**changes)._asdict().items():
        if pictures is not None and name not in NUMBERS:
            assert 0 <= pictures.min() < pictures.max() <= 1, name


def test_variational_model_of_three_dimensions_has_every_picture() -> None:
    assert _missing(_draw()) == set()


def test_plain_autoencoder_has_nothing_that_takes_a_prior() -> None:
    assert _missing(_draw_of(**PLAIN)) == OF_A_PRIOR


def test_two_latent_dimensions_have_no_principal_components() -> None:
    assert _missing(_draw_of(latent_dim=2)) == {"explained_variance"}
    assert _missing(_draw_of(latent_dim=2, **PLAIN)) == {"explained_variance"} | OF_A_PRIOR


@pytest.mark.parametrize(("signs", "missing"), [((1, 1), set()), ((1, -1), {"spherical_interpolation"})])
def test_single_latent_dimension_has_no_plane_and_no_arc_across_the_origin(
    signs: tuple[int, int], missing: set[str]
) -> None:
    codes = tiny_latents(COUNT, latent_dim=1)
    means = np.abs(codes.mean)
    for label, sign in zip((1, 8), signs, strict=True):
        means[codes.labels == label] *= sign
    pictures = _draw(model=_model(latent_dim=1), codes=codes._replace(mean=means))
    assert _missing(pictures) == OF_A_PLANE | {"explained_variance"} | missing


@pytest.mark.parametrize("changes", [{}, PLAIN, {"latent_dim": 2}], ids=str)
def test_what_was_saved_is_loaded_again(tmp_path: Path, changes: dict) -> None:
    path, pictures = tmp_path / "reports" / "pictures.safetensors", _draw_of(**changes)
    save_pictures(pictures, path)
    again = load_pictures(path)
    assert _missing(again) == _missing(pictures)
    for name, array in pictures._asdict().items():
        if array is not None:
            assert getattr(again, name).dtype == array.dtype
            assert np.array_equal(getattr(again, name), array), name


def test_two_savings_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_pictures(_draw(), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_foreign_and_missing_files_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "pictures.safetensors"
    with pytest.raises(UserError, match=r"pictures\.safetensors is missing: run `dvc repro render`"):
        load_pictures(path)
    save_pictures(_draw(), path)
    whole = load_file(path)
    foreign = {
        "class_originals": {name: array for name, array in whole.items() if name != "class_originals"},
        "interpolation": {**whole, "interpolation": whole["labels"]},
    }
    for name, arrays in foreign.items():
        save_file(arrays, path)
        with pytest.raises(UserError, match=rf"pictures\.safetensors is not a file of pictures .*{name}"):
            load_pictures(path)
