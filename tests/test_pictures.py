import numpy as np
import pytest
import torch
from torch import Tensor

from builders import tiny_codes, tiny_images, tiny_model, tiny_params
from mnist_vae.autoencoder import Autoencoder
from mnist_vae.pictures import Pictures, class_means, draw_pictures, interpolate

COUNT = 34
IMAGES, CODES = tiny_images(COUNT), tiny_codes(COUNT)
GREY = IMAGES[:, 0].numpy() / 255


def _model() -> Autoencoder:
    return tiny_model(seed=5).eval()


def _draw(seed: int = 0, model: Autoencoder | None = None, **changes: object) -> Pictures:
    return draw_pictures(model or _model(), IMAGES, CODES, seed, tiny_params(**changes).of_figures())


def _decoded(codes: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return _model().decode(torch.from_numpy(codes).float())[:, 0].numpy()


def _loop_means() -> np.ndarray:
    sums, counts = np.zeros((10, 3)), [0] * 10
    for mean, label in zip(CODES.mean.astype(np.float64), CODES.labels.tolist(), strict=True):
        sums[label] += mean
        counts[label] += 1
    assert len(set(counts)) > 1
    return sums / np.array(counts)[:, None]


def test_class_means_divide_by_the_true_counts() -> None:
    np.testing.assert_allclose(class_means(CODES).numpy(), _loop_means(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(_draw().class_means[0], _decoded(_loop_means()), atol=1e-5)


def test_interpolation_goes_straight_in_equal_steps_with_both_ends() -> None:
    ends = torch.tensor([[1.0, -2.0], [3.0, 8.0]])
    assert interpolate(ends, 5).tolist() == [[1.0, -2.0], [1.5, 0.5], [2.0, 3.0], [2.5, 5.5], [3.0, 8.0]]
    assert interpolate(ends, 2).tolist() == ends.tolist()


def test_interpolation_ends_at_the_class_means() -> None:
    pictures = _draw(interpolation_from=7, interpolation_to=2, interpolation_steps=9)
    assert pictures.interpolation.shape == (1, 9, 16, 16)
    np.testing.assert_allclose(pictures.interpolation[0, 0], pictures.class_means[0, 7], atol=1e-6)
    np.testing.assert_allclose(pictures.interpolation[0, -1], pictures.class_means[0, 2], atol=1e-6)
    middle = (_loop_means()[7] + _loop_means()[2]) / 2
    np.testing.assert_allclose(pictures.interpolation[0, 4], _decoded(middle[None])[0], atol=1e-5)


def test_reconstructions_stand_below_their_originals() -> None:
    rows = _draw().reconstructions
    assert rows.shape == (4, 10, 16, 16)
    np.testing.assert_allclose(rows[0], GREY[:10], atol=1e-6)
    np.testing.assert_allclose(rows[1], _decoded(CODES.mean[:10]), atol=1e-6)
    np.testing.assert_allclose(rows[2], GREY[10:20], atol=1e-6)
    np.testing.assert_allclose(rows[3], _decoded(CODES.mean[10:20]), atol=1e-6)


def test_permutations_begin_with_a_classs_first_image_and_its_mean_code() -> None:
    rows = _draw().permutations
    assert rows.shape == (10, 10, 16, 16)
    for label, row in enumerate(rows):
        first = CODES.labels.tolist().index(label)
        np.testing.assert_allclose(row[0], GREY[first], atol=1e-6)
        np.testing.assert_allclose(row[1], _decoded(CODES.mean[first : first + 1])[0], atol=1e-6)


def test_permutations_add_standard_normal_noise_to_the_mean_code_and_samples_are_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, decoded = _model(), []
    decode = model.decode

    def spy(codes: Tensor) -> Tensor:
        decoded.append(codes)
        return decode(codes)

    monkeypatch.setattr(model, "decode", spy)
    _draw(model=model)
    (samples,) = [codes for codes in decoded if len(codes) == 100]
    (permuted,) = [codes for codes in decoded if len(codes) == 90]
    rows = permuted.reshape(10, 9, 3)
    noise = rows[:, 1:] - rows[:, :1]
    for drawn in (samples, noise):
        # Within five standard errors.
        assert abs(float(drawn.mean())) < 5 / drawn.numel() ** 0.5
        assert abs(float(drawn.std()) - 1) < 5 / (2 * drawn.numel()) ** 0.5
        assert len(drawn.unique()) == drawn.numel()


def test_pictures_are_a_function_of_the_seed() -> None:
    first = _draw(0)
    torch.rand(3)
    again, other = _draw(0), _draw(1)
    for name, pictures in first._asdict().items():
        assert np.array_equal(pictures, getattr(again, name)), name
        assert np.array_equal(pictures, getattr(other, name)) == (name not in {"samples", "permutations"}), name
    assert np.array_equal(first.permutations[:, :2], other.permutations[:, :2])


def test_all_pictures_are_brightness_from_0_to_1() -> None:
    for name, pictures in _draw()._asdict().items():
        assert 0 <= pictures.min() < pictures.max() <= 1, name
