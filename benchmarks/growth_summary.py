"""What the growth benchmark measured, and what follows for the number of images."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_LEAST_SECONDS = 1  # of growth: less is noise, and has no slope


class Point(NamedTuple):
    """A size of the pipeline: images in the original training and test files, and what is changed of params.yaml."""

    name: str
    train_size: int
    test_size: int
    params: dict[str, int]


class StageCost(NamedTuple):
    """The seconds of a stage's process; the most memory that it had, with mapped files; the most of its own."""

    seconds: float
    peak_bytes: int
    own_peak_bytes: int


class Measured(NamedTuple):
    """A point, all of its parameters, and what each stage took."""

    point: Point
    params: dict
    stages: dict[str, StageCost]

    @property
    def images(self) -> int:
        return self.point.train_size + self.point.test_size

    @property
    def data_bytes(self) -> int:
        """Of the uint8 data set."""
        return self.images * self.params["image_size"] ** 2

    @property
    def code_bytes(self) -> int:
        """Of what evaluate keeps: mean codes of all images but validation's, and the test images' KL, in float32."""
        train = self.point.train_size - self.params["validation_size"]
        return 4 * self.params["latent_dim"] * (train + 2 * self.point.test_size)


def growth_with_images(measured: Sequence[Measured]) -> dict[str, dict]:
    """How each stage's time and memory grow from the first point to the others of its params.

    The slope is that of a line through log(seconds) against log(images), both beyond the first point's: 1 is linear;
    None for a time that does not grow by a second. Memory is the slope of a line through the peaks against the bytes of
    the uint8 data set, or of it with the codes, for the stages that keep them: at most 1 is at most these + a constant.
    """
    first, *others = [one for one in measured if not one.point.params]
    return {
        stage: {
            "constant_seconds": first.stages[stage].seconds,
            "constant_bytes": first.stages[stage].peak_bytes,
            "slope": _slope(first, others, stage),
            "microseconds_per_image": _microseconds(first, others[-1], stage),
            "bytes_per_byte_of_data": _memory_slope([first, *others], stage, codes=False),
            "bytes_per_byte_of_data_and_codes": _memory_slope([first, *others], stage, codes=True),
        }
        for stage in first.stages
    }


def _slope(first: Measured, others: Sequence[Measured], stage: str) -> float | None:
    seconds = np.array([one.stages[stage].seconds for one in others]) - first.stages[stage].seconds
    images = [one.images - first.images for one in others]
    if seconds[-1] < _LEAST_SECONDS or seconds.min() <= 0:
        return None
    return float(np.polyfit(np.log(images), np.log(seconds), 1)[0])


def _microseconds(first: Measured, last: Measured, stage: str) -> float:
    return 1e6 * (last.stages[stage].seconds - first.stages[stage].seconds) / (last.images - first.images)


def _memory_slope(measured: Sequence[Measured], stage: str, *, codes: bool) -> float:
    kept = codes and stage in {"evaluate", "render"}
    allowed = [one.data_bytes + (one.code_bytes if kept else 0) for one in measured]
    return float(np.polyfit(allowed, [one.stages[stage].peak_bytes for one in measured], 1)[0])
