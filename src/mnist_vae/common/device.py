"""The device that tensors live on, and the settings that make its results repeatable."""

import os

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from mnist_vae.common.precision import use_precision
from mnist_vae.console.stage import UserError


def find_device(name: str) -> torch.device:
    """The device named cpu, cuda or mps, or for auto the first there is of cuda, mps and cpu.

    Raises UserError for a device that this machine lacks.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kind = next(kind for kind, there in available.items() if there) if name == "auto" else name
    if not available[kind]:
        raise UserError(f"device is {kind}, but torch sees none here: set device to auto or cpu")
    return torch.device(kind)


def prepare_device(name: str, threads: int, *, deterministic: bool) -> torch.device:
    """The device that find_device finds, with torch made to compute with that many CPU threads.

    Deterministic: with algorithms only that give the same bits each time. Otherwise with the fastest that it finds.
    """
    device = find_device(name)
    torch.set_num_threads(threads)
    use_precision("float32", device)  # a training may then choose another
    # The same as use_deterministic_algorithms, which spends two seconds on importing a compiler that is not used here.
    torch.set_deterministic_debug_mode("error" if deterministic else "default")
    torch.backends.cudnn.benchmark = not deterministic  # tries several for each convolution, and may choose another
    if not deterministic:
        return device
    # cuBLAS is repeatable only with a fixed workspace, read when CUDA starts:
    # https://docs.nvidia.com/cuda/cublas/index.html#results-reproducibility
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # A debugging aid of that mode, which fills memory that is overwritten anyway: 7 % of a training step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    return device


def place(images: UInt8[np.ndarray, "N 1 S S"], device: torch.device) -> UInt8[Tensor, "N 1 S S"]:
    """The images whole on a device that has room for twice as much; else where they are, such as in a mapped file.

    There they are not copied, and must not be written to: batches of them go to the device one by one.
    """
    there = torch.from_dlpack(images)  # unlike from_numpy it has nothing against a read-only array
    return there.to(device) if 2 * images.nbytes <= _free_bytes(device) else there


def _free_bytes(device: torch.device) -> int:
    """Of a GPU's own memory: 0 for the CPU."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return torch.mps.recommended_max_memory() if device.type == "mps" else 0


def describe(device: torch.device) -> str:
    """The device as a person calls it, such as `cuda (NVIDIA H200)` or `cpu (2 threads)`."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)" if device.type == "cpu" else device.type
