"""The finished parts of an estimate on disk, from which a killed evaluation resumes."""

import hashlib
import time
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from safetensors import SafetensorError
from safetensors.numpy import load, save

import mnist_vae
from mnist_vae.common.atomic import code_md5, file_md5, write_atomically

# The folders of code that dvc.yaml names for the evaluate stage (a test compares them).
FOLDERS = ("common", "data", "model", "evaluation")
_SECONDS = 30.0  # between two saves: what takes less is not worth a file


class KeptParts:
    """The parts of the estimate with a key, by the place of their first image; `parts` may be added to.

    The file lies in the original repository, as a training's checkpoint does, and is written whole or not at all.
    """

    def __init__(self, folder: Path, key: str, seconds: float = _SECONDS):
        self._path, self._seconds = folder / f"likelihood-{key}.safetensors", seconds
        self._last_saved = time.monotonic()
        self.parts: dict[int, Float64[np.ndarray, "n K"]] = {}
        try:
            self.parts |= {int(first): bounds for first, bounds in load(self._path.read_bytes()).items()}
        except FileNotFoundError:
            pass
        except (SafetensorError, OSError, ValueError) as error:
            print(
                f"evaluate: estimating the likelihood from the beginning: {self._path} cannot be used ({error})",
                flush=True,
            )

    @property
    def images(self) -> int:
        """The images in the parts."""
        return sum(map(len, self.parts.values()))

    def on_part(self, images: int) -> None:  # noqa: ARG002 (a callback)
        """Save the parts, if the last save is old enough. Raises UserError if that cannot be."""
        if time.monotonic() - self._last_saved >= self._seconds:
            write_atomically(save({str(first): bounds for first, bounds in self.parts.items()}), self._path)
            self._last_saved = time.monotonic()

    def remove(self) -> None:
        """Forget the parts, once the results are written."""
        self._path.unlink(missing_ok=True)


def estimate_key(model: Path, prepared: Path, samples: int, device: torch.device) -> str:
    """A key for all that decides an estimate: weights, images, number of samples, code, torch's build and device."""
    code = code_md5(Path(str(mnist_vae.__file__)).parent, FOLDERS)
    origin = (file_md5(model), file_md5(prepared), samples, code, torch.__version__, device.type)
    return hashlib.sha256("\n".join(map(str, origin)).encode()).hexdigest()[:16]
