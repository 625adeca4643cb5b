"""Time and memory of each stage against the number of images, their size, latent_dim and conv_channels.

One of these is changed at a time. Each stage runs once, in a process of its own, over one epoch, without tracking. ×1
is the first 5,000 training and 1,000 test images of MNIST. ×4 and ×16 repeat these images.
"""

import gzip
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from measure import command_line, measured_on, run, save
from mnist_vae.common import paths
from mnist_vae.common.catalogue import DATASETS
from mnist_vae.common.params import load_params
from mnist_vae.figures.style import save_png
from mnist_vae.sources.idx import idx_bytes, read_idx
from scaling_figure import scaling_figure
from stage_runs import Clone, original_files

VALIDATION = 1_000  # of the training images
_SCALES = (1, 4, 16)
_CHANGES = [
    *({"image_size": size} for size in (64, 128)),
    *({"latent_dim": dimensions} for dimensions in (16, 1024)),
    *({"conv_channels": channels} for channels in ([8, 16, 32], [32, 64, 128], [64, 128, 256])),
]
_STAGES = ("preprocess", "train", "evaluate", "render")
_CATALOGUE = Path("src/mnist_vae/common/catalogue.py")
_LEAST_SECONDS = 1  # less growth than this is noise, and gets no slope


class Point(NamedTuple):
    """A size of the pipeline: the numbers of images in the original files, and the changes to params.yaml."""

    name: str
    train_size: int
    test_size: int
    params: dict


def main() -> None:
    parser = command_line(__doc__, "scaling")
    parser.add_argument("--images", type=int, default=5000, help="training images of ×1; a fifth as many test images")
    arguments = parser.parse_args()
    params = load_params(paths.PARAMS).of_model()
    with tempfile.TemporaryDirectory() as folder:
        clone = Clone(Path(folder) / "clone")
        points = [_measure(point, arguments.images, clone) for point in _points(arguments.images, params.batch_size)]
    content = {
        **measured_on(params),
        "epochs": 1,
        "unscaled": {name: getattr(params, name) for change in _CHANGES for name in change},
        "points": points,
        "against the number of images": against_images(points),
    }
    save(content, arguments.result)
    save_png(scaling_figure(content), arguments.result.with_suffix(".png"))


def _points(images: int, batch_size: int) -> Iterator[Point]:
    # The fixed cost of a stage, measured with about one batch of each kind of images.
    yield Point("least", VALIDATION + 2 * batch_size, images // 5, {})
    for scale in _SCALES:
        yield Point(f"×{scale}", scale * images, scale * images // 5, {})
    for change in _CHANGES:
        ((name, value),) = change.items()
        yield Point(f"×1, {name} {value}", images, images // 5, change)


def _measure(point: Point, images: int, clone: Clone) -> dict:
    same = {"epochs": 1, "dataset": "mnist", "validation_size": VALIDATION, "fitted_components": 1}
    clone.reset_params(same | point.params)
    _resize_mnist(clone, point, images)
    costs = [clone.run(stage, "--untracked") for stage in _STAGES]
    print(f"scaling: {point.name}: {', '.join(f'{cost.stage} {cost.seconds:.1f} s' for cost in costs)}", flush=True)
    params = load_params(clone.folder / paths.PARAMS)
    mean_latents = point.train_size - VALIDATION + point.test_size
    return {
        **point._asdict(),
        "data_bytes": (point.train_size + point.test_size) * params.image_size**2,
        # evaluate keeps the mean latents and the KL of the test images in float32.
        "latents_bytes": 4 * params.latent_dim * (mean_latents + point.test_size),
        "stages": {cost.stage: {"seconds": cost.seconds, "peak_bytes": cost.peak_bytes} for cost in costs},
    }


def _resize_mnist(clone: Clone, point: Point, images: int) -> None:
    """Give MNIST other sizes in a clone, by repeating its first images."""
    text = clone.committed(_CATALOGUE).replace("60_000", str(point.train_size), 1)
    (clone.folder / _CATALOGUE).write_text(text.replace("10_000", str(point.test_size), 1))
    folder, mnist = clone.folder / paths.raw("mnist"), DATASETS["mnist"]
    folder.mkdir(parents=True, exist_ok=True)
    for file, dimensions in zip(mnist.files, (3, 1, 3, 1), strict=True):
        is_train = file in {mnist.train_images, mnist.train_labels}
        first, size = (images, point.train_size) if is_train else (images // 5, point.test_size)
        array = read_idx(file.find(original_files("mnist")), dimensions)[:first]
        content = idx_bytes(np.resize(array, (size, *array.shape[1:])))
        (folder / file.name).write_bytes(gzip.compress(content, compresslevel=1))


def against_images(points: Sequence[dict]) -> dict[str, dict]:
    """How the time and memory of each stage grow with the number of images, over the points that change no parameter.

    The first point is the fixed cost. `slope` is the slope of a line through log(seconds) against log(images), after
    subtracting the first point's seconds and images. A slope of 1 means linear growth. It is None if the time grows by
    less than a second.

    The memory value is the slope of a line through the peak memory against the bytes of the uint8 data set; for the
    stages that keep latents, against the bytes of data set and latents. If it is at most 1, the memory is at most these
    bytes plus a constant.
    """
    first, *others = [point for point in points if not point["params"]]
    images = np.array([point["train_size"] + point["test_size"] for point in others])
    images -= first["train_size"] + first["test_size"]
    growth = {}
    for stage, constant in first["stages"].items():
        seconds = np.array([point["stages"][stage]["seconds"] for point in others]) - constant["seconds"]
        grows = seconds[-1] >= _LEAST_SECONDS and seconds.min() > 0
        growth[stage] = {
            "slope": float(np.polyfit(np.log(images), np.log(seconds), 1)[0]) if grows else None,
            "microseconds_per_image": float(1e6 * seconds[-1] / images[-1]),
            "bytes_per_byte_of_data_and_latents": _memory_slope([first, *others], stage),
        }
    return growth


def _memory_slope(points: Sequence[dict], stage: str) -> float:
    keeps_latents = stage in {"evaluate", "render"}
    allowed = [point["data_bytes"] + keeps_latents * point["latents_bytes"] for point in points]
    return float(np.polyfit(allowed, [point["stages"][stage]["peak_bytes"] for point in points], 1)[0])


if __name__ == "__main__":
    run(main)
