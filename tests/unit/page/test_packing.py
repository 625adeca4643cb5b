"""Numbers as text: nothing is lost that the format keeps, and what it loses is bounded."""

import base64

import numpy as np
import pytest
import torch

from mnist_vae.page.export import UnsupportedLayerError, Weighted
from mnist_vae.page.packing import count_weights, encode_array, encode_images, pack, quantise


def _unpack_images(text: str) -> list[int]:
    content, levels = iter(base64.b64decode(text)), []
    for byte in content:
        levels += [byte] if byte else [0] * next(content)
    return levels


def _layer(weight: torch.Tensor) -> Weighted:
    outputs, inputs = weight.shape
    return Weighted("linear", weight[:, :, None, None], torch.zeros(outputs), (inputs, 1, 1), (outputs, 1, 1))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9, 1.0])
def test_images_come_back_with_all_their_levels(share: float) -> None:
    random = np.random.default_rng(0)
    images = random.integers(1, 256, (7, 20, 20)).astype(np.uint8)
    images[random.random(images.shape) < share] = 0
    assert _unpack_images(encode_images(images)) == images.ravel().tolist()


def test_runs_of_black_of_any_length_take_few_bytes() -> None:
    for length in (1, 254, 255, 256, 510, 511, 900):
        image = np.full((1, 30, 30), 7, np.uint8)
        image.ravel()[:length] = 0
        text = encode_images(image)
        assert _unpack_images(text) == image.ravel().tolist()
        assert len(base64.b64decode(text)) == 900 - length + 2 * -(-length // 255)


def test_arrays_are_little_endian() -> None:
    for kind in ("<f4", ">f4", "<u2", ">u2"):
        array = np.arange(6).reshape(2, 3).astype(kind)
        assert base64.b64decode(encode_array(array.T)) == array.T.astype(array.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize(("form", "largest"), [("int8", 127), ("int6", 31)])
def test_whole_numbers_differ_by_at_most_half_a_step_of_their_output(form: str, largest: int) -> None:
    weight = torch.randn(5, 40, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [[1e-3], [1], [10], [0], [1]]
    )
    (rounded,) = quantise([_layer(weight)], form)
    assert isinstance(rounded, Weighted)
    off = (rounded.weight[:, :, 0, 0] - weight).abs().amax(dim=1)
    step = weight.abs().amax(dim=1) / largest
    assert (off <= step / 2 * 1.001 + 1e-30).all()
    assert (off[[0, 1, 2, 4]] > step[[0, 1, 2, 4]] / 10).all()


def test_float16_is_that_of_numpy_and_beyond_it_is_refused() -> None:
    weight = torch.randn(3, 4)
    (rounded,) = quantise([_layer(weight)], "float16")
    assert isinstance(rounded, Weighted)
    np.testing.assert_array_equal(
        rounded.weight[:, :, 0, 0].numpy(), weight.numpy().astype(np.float16).astype(np.float32)
    )
    with pytest.raises(UnsupportedLayerError, match="beyond the numbers that float16 holds"):
        quantise([_layer(weight * 1e6)], "float16")


def test_six_bits_take_a_letter_each() -> None:
    weight = torch.tensor([[-31.0, -1, 0, 1, 31]])
    (packed,) = pack([_layer(weight)], "int6")
    assert packed["int6"] == "h/ABf"
    assert count_weights([_layer(weight)]) == 5
