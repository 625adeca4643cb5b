"""What a person sees of training: a bar on a terminal, one line per epoch elsewhere."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

_SECONDS_BETWEEN_READINGS = 0.5  # each reading waits for the device
_SECONDS_BETWEEN_LINES = 60


class ProgressBar:
    """A training callback that shows the progress of epochs with the given numbers of images.

    The bar goes to standard error, the lines to standard output. The callback uses only the training's attributes
    epoch, terms and histories.
    """

    def __init__(self, images_of_epochs: Sequence[int], batch_size: int):
        self._images_of_epochs, self._batch_size = images_of_epochs, batch_size
        self._bar: tqdm | None = None
        self._last_reading = time.monotonic()

    def on_step(self, training: Any) -> None:
        """Move the bar if standard error is a terminal, at most every half second."""
        now = time.monotonic()
        if not sys.stderr.isatty() or now - self._last_reading < _SECONDS_BETWEEN_READINGS:
            return
        images = self._images_of_epochs[training.epoch - 1]
        if self._bar is None:
            self._bar = tqdm(total=images, unit=" images", leave=False, dynamic_ncols=True)
        self._last_reading = now
        self._bar.set_description(f"epoch {training.epoch}/{len(self._images_of_epochs)}")
        self._bar.set_postfix_str(_format(*training.terms[-1].tolist()), refresh=False)
        self._bar.update(min(len(training.terms) * self._batch_size, images) - self._bar.n)

    def on_epoch_end(self, training: Any) -> None:
        """Print the epoch's line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        row, _, images_per_second = training.histories[-1]
        train = _format(row.train_loss, row.train_reconstruction_error_per_image, row.train_kl_nats_per_image)
        validation = _format(
            row.validation_loss, row.validation_reconstruction_error_per_image, row.validation_kl_nats_per_image
        )
        speed = f"{images_per_second:,.0f} images/s"
        epoch = f"epoch {row.epoch}/{len(self._images_of_epochs)}"
        print(f"{epoch}  train {train}  validation {validation}  {speed}", flush=True)


class LikelihoodProgress:
    """Shows how far the estimate of a likelihood is: a bar on a terminal, a line a minute elsewhere."""

    def __init__(self, images: int):
        self._images, self._done, self._last_line = images, 0, time.monotonic()
        self._bar = tqdm(total=images, desc="likelihood", unit=" images", leave=False, disable=None, dynamic_ncols=True)

    def on_part(self, images: int) -> None:
        """So many more images are done."""
        self._done += images
        self._bar.update(images)
        if self._bar.disable and time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            print(f"evaluate: likelihood of {self._done:,} of {self._images:,} images", flush=True)
            self._last_line = time.monotonic()
        if self._done >= self._images:
            self._bar.close()


def _format(loss: float, reconstruction_error: float, kl: float) -> str:
    return f"loss {loss:.4f} reconstruction {reconstruction_error:.1f} KL {kl:.1f}"
