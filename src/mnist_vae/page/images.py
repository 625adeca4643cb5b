"""Grids of images as pictures inside the page."""

import base64
import io

import numpy as np
from jaxtyping import Float
from PIL import Image

from mnist_vae.common.catalogue import WHITE

_LEVELS = 31  # and black
_MOST_PIXELS = 64  # a side


def image_grid(images: Float[np.ndarray, "rows columns S S"]) -> str:
    """Images side by side, a pixel each pixel, as the address of a PNG that holds its own data.

    In 32 grey levels, which take half the bytes of 256 and are hardly told from them; and smaller if above 64 pixels.
    """
    rows, columns, height, width = images.shape
    tiled = images.clip(0, 1).transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    grey = Image.fromarray(((tiled * _LEVELS).round() * (WHITE / _LEVELS)).round().astype(np.uint8))
    if (shrink := -(-height // _MOST_PIXELS)) > 1:
        grey = grey.reduce(shrink)
    content = io.BytesIO()
    grey.save(content, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
