"""The checkpoint of a training on disk, from which it resumes after an interruption."""

import hashlib
import os
import time
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from mnist_vae.common.atomic import write_atomically
from mnist_vae.console.stage import UserError
from mnist_vae.training.state import Training, TrainingState, pack, unpack

_SECONDS = "MNIST_VAE_CHECKPOINT_SECONDS"  # between two checkpoints within an epoch


class Checkpoint:
    """The checkpoint file of the training with a fingerprint. In its block, no other process can run that training.

    As a callback it saves the training at the end of each epoch, and within an epoch if the last checkpoint is some
    seconds old. Keep the folder in the original repository: the folder of a queued experiment is deleted after it.
    """

    def __init__(self, folder: Path, fingerprint: str):
        self._path, self._fingerprint = folder / f"{fingerprint}.safetensors", fingerprint
        self._lock = FileLock(folder / f"{fingerprint}.lock")
        self._seconds = _seconds_between()
        self._last_saved = time.monotonic()

    def __enter__(self) -> "Checkpoint":  # noqa: PYI034 (beartype knows no Self here)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UserError("the same training is running already, here or in the queue: wait for it") from None
        except OSError as error:
            raise UserError(
                f"checkpoints cannot be kept in {self._path.parent} ({error.strerror}): fix that and start again"
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def on_step(self, training: Training) -> None:
        """Save the training if the last checkpoint is old enough to be replaced."""
        if time.monotonic() - self._last_saved >= self._seconds:
            self.save(training.state())

    def on_epoch_end(self, training: Training) -> None:
        """Save the training."""
        self.save(training.state())

    def save(self, state: TrainingState) -> None:
        """Write the state to the file. Raises UserError if it cannot be written; the former one is then kept."""
        packed = pack(state)
        digest = hashlib.sha256(packed).hexdigest()
        write_atomically(f"{self._fingerprint} {digest}\n".encode() + packed, self._path)
        self._last_saved = time.monotonic()

    def load(self) -> TrainingState | None:
        """The last saved state, if any. A file that is damaged or of another training is renamed, with a message."""
        try:
            header, _, packed = self._path.read_bytes().partition(b"\n")
            if header.decode() != f"{self._fingerprint} {hashlib.sha256(packed).hexdigest()}":
                raise ValueError("it is damaged, or belongs to another training")
            state = unpack(packed)
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, ValueError, LookupError) as error:
            aside = self._path.with_suffix(".unusable")
            self._path.replace(aside)
            print(
                f"train: starting from the beginning: the checkpoint cannot be used ({error}), and was renamed to"
                f" {aside}",
                flush=True,
            )
            return None
        print(f"train: resuming at epoch {state.epoch}, step {len(state.terms)}", flush=True)
        return state

    def remove(self) -> None:
        """Delete the checkpoint. Call it after the results are written."""
        self._path.unlink(missing_ok=True)


def _seconds_between() -> float:
    text = os.environ.get(_SECONDS, "30")
    try:
        return float(text)
    except ValueError:
        raise UserError(f"{_SECONDS} is {text!r}, but must be a number of seconds") from None
