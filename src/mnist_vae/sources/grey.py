"""Reading an image file of any kind as grey levels: how colour, alpha, rotation, depth and aspect are treated."""

import io
import struct
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from mnist_vae.common.catalogue import WHITE

Aspect = Literal["pad", "crop", "stretch"]

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
_MOST_PIXELS = 89_478_485  # Pillow's own limit: a quarter of a gigabyte in RGB
_16_BITS = {"I;16", "I;16L", "I;16B", "I;16N"}
_RANGELESS = {"I", "F"}  # 32 bits a pixel; the file does not say which value is white
_ORIENTATION = 0x0112  # EXIF's tag

# The changes that an image may need, and the words in which a person is told.
_COLOUR, _ALPHA, _ROTATED = "colour", "alpha", "rotated"
_DEPTH, _FRAMES, SQUARED = "depth", "frames", "squared"
WHAT_BECOMES = {
    _COLOUR: "in colour became grey (ITU-R 601 luma)",
    _ALPHA: "with transparency were placed on white",
    _ROTATED: "were turned upright by their EXIF orientation",
    _DEPTH: "with 16 bits were scaled to 8 bits",
    _FRAMES: "had several frames, of which the first is used",
    SQUARED: "with unequal sides were made square, as aspect says",
}


class ImageFaultError(Exception):
    """An image cannot be read; the text says why."""


class Grey(NamedTuple):
    """An image's grey levels, and the changes that it needed, as keys of WHAT_BECOMES."""

    pixels: UInt8[np.ndarray, "S S"]
    changes: tuple[str, ...]


def read_grey(content: bytes, size: int, aspect: Aspect, *, transpose: bool) -> Grey:
    """The image in a file's content as size × size grey levels. Raises ImageFaultError if it cannot be read."""
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise ImageFaultError(f"{image.width}x{image.height}, more than {_MOST_PIXELS:,} pixels")
            return _read(image, size, aspect, transpose=transpose)
    except UnidentifiedImageError:
        raise ImageFaultError("no PNG, JPEG, WebP, BMP or TIFF" if content else "empty") from None
    except Image.DecompressionBombError:
        raise ImageFaultError(f"more than {_MOST_PIXELS:,} pixels") from None
    # These are what Pillow's readers raise for damaged files.
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, KeyError, TypeError) as error:
        raise ImageFaultError(_reason(error)) from None


def make_square(images: UInt8[np.ndarray, "N H W"], aspect: Aspect) -> UInt8[np.ndarray, "N height width"]:
    """Make the sides of images equal: pad with black on both sides, or crop both sides.

    With `stretch` the images are returned as they are, because resizing stretches them.
    """
    height, width = images.shape[1:]
    if aspect == "stretch" or height == width:
        return images
    if aspect == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return images[:, top : top + side, left : left + side]
    side = max(height, width)
    above, before = (side - height) // 2, (side - width) // 2
    return np.pad(images, ((0, 0), (above, side - height - above), (before, side - width - before)))


def _read(image: Image.Image, size: int, aspect: Aspect, *, transpose: bool) -> Grey:
    changes = []
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":  # MPO: a camera's JPEG, whose frames are previews
        changes.append(_FRAMES)
    mode = image.mode
    # A JPEG can be decoded at a half, a quarter or an eighth of the side, which takes a fraction of the time.
    image.draft("L", (2 * size, 2 * size))
    if image.getexif().get(_ORIENTATION, 1) not in {0, 1}:
        changes.append(_ROTATED)
    flat = _flatten(ImageOps.exif_transpose(image), mode, changes)
    if flat.width != flat.height and aspect != "stretch":
        changes.append(SQUARED)
    square = make_square(np.asarray(flat)[np.newaxis], aspect)[0]
    if transpose:
        square = square.T
    small = Image.fromarray(np.ascontiguousarray(square)).resize((size, size), Image.Resampling.BILINEAR)
    return Grey(np.asarray(small), tuple(changes))


def _flatten(image: Image.Image, mode: str, changes: list[str]) -> Image.Image:
    """The image in 8 bits of grey, with transparent parts laid on white."""
    if mode in _RANGELESS:
        raise ImageFaultError("32 bits a pixel, whose white level is unknown")
    if mode in _16_BITS:
        changes.append(_DEPTH)
        levels = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((levels + 128) // 257).astype(np.uint8))  # rounded to the nearest of 0..255
    if image.has_transparency_data:
        changes.append(_ALPHA)
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (WHITE, WHITE, WHITE, WHITE)), image)
    if mode not in {"1", "L", "LA", "La"}:
        changes.append(_COLOUR)
    return image if image.mode == "L" else image.convert("RGB").convert("L")


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return "truncated" if "truncated" in text.lower() else text or type(error).__name__
