"""Folders of tiny images, made for a test."""

import io
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int = 0, height: int = 6, width: int = 6) -> np.ndarray:
    """Random grey levels (height, width)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)


def encoded(image: Image.Image | np.ndarray, form: str = "PNG", **options: object) -> bytes:
    """An image as the content of a file."""
    content = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(content, form, **options)
    return content.getvalue()


def write_tree(folder: Path, contents: dict[str, bytes]) -> Path:
    """Write files by their paths below the folder, and return the folder."""
    for path, content in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def image_tree(classes: dict[str, int], size: int = 6) -> dict[str, bytes]:
    """The given number of PNG files for each class. The classes take turns, and the files are numbered across them."""
    number, contents = 0, {}
    for place in range(max(classes.values())):
        for name, count in classes.items():
            if place < count:
                path = f"{name}/{number:03}.png" if name else f"{number:03}.png"
                contents[path] = encoded(picture(number, size, size))
                number += 1
    return contents
