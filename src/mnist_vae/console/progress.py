"""What a person sees of training: a bar on a terminal, one line an epoch elsewhere."""

import sys
import time

from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from mnist_vae.data.history import EpochRow

_SECONDS_BETWEEN_READINGS = 0.5  # each reading waits for the device


class TrainingProgress:
    """Shows training of `images` images an epoch: the bar on standard error, the lines on standard output.

    Of the first epoch that many steps were done before it began to watch.
    """

    def __init__(self, epochs: int, images: int, batch_size: int, steps_done: int = 0):
        self._epochs, self._images, self._batch_size = epochs, images, batch_size
        self._images_before = min(steps_done * batch_size, images)
        self._bar: tqdm | None = None
        self._start = self._last_reading = time.monotonic()
        self.images_per_second = 0.0

    def watch(self, epoch: int, terms: Float[Tensor, "steps 3"]) -> None:
        """To be called after each step, with the terms of the epoch's steps so far."""
        now = time.monotonic()
        if not sys.stderr.isatty() or now - self._last_reading < _SECONDS_BETWEEN_READINGS:
            return
        if self._bar is None:
            self._bar = tqdm(total=self._images, unit=" images", leave=False, dynamic_ncols=True)
        self._last_reading = now
        self._bar.set_description(f"epoch {epoch}/{self._epochs}")
        self._bar.set_postfix_str(_format(*terms[-1].tolist()), refresh=False)
        self._bar.update(min(len(terms) * self._batch_size, self._images) - self._bar.n)

    def epoch_done(self, row: EpochRow) -> None:
        """Print the epoch's line, and take its rate: all its time counts, validation too."""
        now = time.monotonic()
        self.images_per_second = (self._images - self._images_before) / (now - self._start)
        self._start, self._images_before = now, 0
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        train = _format(row.train_loss, row.train_distortion_per_image, row.train_kl_nats_per_image)
        validation = _format(row.validation_loss, row.validation_distortion_per_image, row.validation_kl_nats_per_image)
        rate = f"{self.images_per_second:,.0f} images/s"
        print(f"epoch {row.epoch}/{self._epochs}  train {train}  validation {validation}  {rate}", flush=True)


def _format(loss: float, distortion: float, rate: float) -> str:
    return f"loss {loss:.4f} distortion {distortion:.1f} rate {rate:.1f}"
