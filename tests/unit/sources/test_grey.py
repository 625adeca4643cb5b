import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from image_folders import encoded, picture
from mnist_vae.sources.grey import WHAT_BECOMES, Aspect, ImageFaultError, make_square, read_grey


def _read(content: bytes, size: int = 6, aspect: Aspect = "pad", *, transpose: bool = False) -> np.ndarray:
    return read_grey(content, size, aspect, transpose=transpose).pixels


def _changes(content: bytes) -> set[str]:
    changes = read_grey(content, 6, "pad", transpose=False).changes
    assert set(changes) <= set(WHAT_BECOMES)
    return set(changes)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_grey_image_of_the_size_stays_as_it_is(form: str) -> None:
    assert np.array_equal(_read(encoded(picture(), form)), picture())
    assert _changes(encoded(picture(), form)) == set()


def test_webp_without_loss_stays_as_it_is() -> None:
    content = encoded(Image.fromarray(picture()).convert("RGB"), "WEBP", lossless=True)
    assert np.array_equal(_read(content), picture())


def test_jpeg_is_read_near_what_it_was() -> None:
    smooth = np.linspace(0, 255, 32)[:, None].repeat(32, axis=1).astype(np.uint8)
    assert np.abs(_read(encoded(smooth, "JPEG", quality=95), 32).astype(int) - smooth).max() <= 4


def test_large_jpeg_is_made_small_near_the_mean_of_its_parts() -> None:
    levels = picture(3, 4, 4)
    content = encoded(levels.repeat(160, axis=0).repeat(160, axis=1), "JPEG", quality=95)
    small = _read(content, 32)[4::8, 4::8]  # the middle of each part
    assert np.abs(small.astype(int) - levels).max() <= 3


def test_colour_is_weighed_as_luma() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [100, 100, 100]]], np.uint8)
    # ITU-R 601: 0.299 red, 0.587 green, 0.114 blue.
    assert _read(encoded(colours), 2).tolist() == [[76, 150], [29, 100]]
    assert _changes(encoded(colours)) == {"colour"}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_laid_on_white(mode: str) -> None:
    if mode == "P":
        image = Image.new("P", (2, 2), 1)
        image.putpalette([0, 0, 0, 9, 9, 9])
        content = encoded(image, transparency=1)
    else:
        content = encoded(Image.new(mode, (2, 2), (0,) * len(mode)))
    assert _read(content, 2).tolist() == [[255, 255], [255, 255]]
    assert "alpha" in _changes(content)


def test_half_transparent_black_on_white_is_half_grey() -> None:
    assert np.abs(_read(encoded(Image.new("LA", (2, 2), (0, 128))), 2).astype(int) - 127).max() <= 1


def test_16_bits_are_scaled_to_the_nearest_of_8() -> None:
    levels = np.array([[0, 65535], [257 * 100, 257 * 100 + 200]], np.uint16)
    assert _read(encoded(levels), 2).tolist() == [[0, 255], [100, 101]]
    assert _changes(encoded(levels)) == {"depth"}


def test_cmyk_and_palettes_are_read() -> None:
    grey = Image.new("RGB", (2, 2), (90, 90, 90))
    assert np.abs(_read(encoded(grey.convert("CMYK"), "TIFF"), 2).astype(int) - 90).max() <= 1
    assert _read(encoded(grey.quantize(2)), 2).tolist() == [[90, 90], [90, 90]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = picture(1)
    # How the camera stored it, for each orientation of the EXIF standard.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(np.ascontiguousarray(stored), exif=exif)
    assert np.array_equal(_read(content), upright)
    assert _changes(content) == ({"rotated"} if orientation > 1 else set())


@pytest.mark.parametrize(("height", "width"), [(2, 6), (6, 2), (3, 6)])
def test_aspect_pads_crops_or_stretches(height: int, width: int) -> None:
    image = picture(2, height, width)
    side, short = max(height, width), min(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    padded = np.zeros((side, side), np.uint8)
    padded[top : top + height, left : left + width] = image
    assert np.array_equal(_read(encoded(image), side, "pad"), padded)
    top, left = (height - short) // 2, (width - short) // 2
    assert np.array_equal(_read(encoded(image), short, "crop"), image[top : top + short, left : left + short])
    stretched = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
    assert np.array_equal(_read(encoded(image), side, "stretch"), np.asarray(stretched))
    assert np.array_equal(make_square(image[None], "stretch"), image[None])


def test_transposing_exchanges_rows_and_columns() -> None:
    assert np.array_equal(_read(encoded(picture()), transpose=True), picture().T)


def test_first_of_several_frames_is_taken() -> None:
    pages = [Image.fromarray(picture(seed)) for seed in (1, 2)]
    content = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert np.array_equal(_read(content), picture(1))
    assert _changes(content) == {"frames"}


def _bomb(width: int, height: int) -> bytes:
    """A PNG of some kilobytes that announces that many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * 100_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


WHOLE = {form: encoded(picture(0, 40, 40), form) for form in ("PNG", "JPEG", "BMP")}
SPOILT = {
    "empty": (b"", "empty"),
    "text": (b"no image", "no PNG, JPEG, WebP, BMP or TIFF"),
    "GIF": (encoded(picture(), "GIF"), "no PNG, JPEG, WebP, BMP or TIFF"),
    "gigabyte": (_bomb(32_768, 32_768), "more than 89,478,485 pixels"),
    "a third of a gigabyte": (_bomb(10_000, 10_000), "more than 89,478,485 pixels"),
    **{f"half a {form}": (content[: len(content) // 2], "") for form, content in WHOLE.items()},
    "32 bits": (encoded(Image.new("F", (2, 2)), "TIFF"), "32 bits"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", SPOILT)
def test_image_that_cannot_be_read_is_said(name: str) -> None:
    content, says = SPOILT[name]
    with pytest.raises(ImageFaultError) as raised:
        _read(content)
    assert says in str(raised.value)
    assert str(raised.value).isprintable()


def test_truncated_jpeg_is_noticed_however_small_it_is_read() -> None:
    large = encoded(picture(0, 300, 300), "JPEG")
    with pytest.raises(ImageFaultError, match="truncated"):
        _read(large[: len(large) * 3 // 4], 6)


def test_random_damage_ends_in_nothing_but_the_fault() -> None:
    random = np.random.default_rng(0)
    for content in WHOLE.values():
        for _ in range(60):
            spoilt = bytearray(content)
            for place in random.integers(0, len(spoilt), 4):
                spoilt[place] = random.integers(0, 256)
            with suppress(ImageFaultError):
                assert _read(bytes(spoilt)).shape == (6, 6)


def test_reader_of_bytes_leaves_them_alone() -> None:
    content = io.BytesIO(WHOLE["PNG"]).getvalue()
    _read(content)
    assert content == WHOLE["PNG"]
