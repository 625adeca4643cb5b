"""The device that tensors live on, and the settings that make its results repeatable."""

import os

import torch

from mnist_vae.stage import StageError


def prepare_device(name: str, threads: int) -> torch.device:
    """The device named cpu, cuda or mps, or for auto the first there is of cuda, mps and cpu.

    Makes torch compute with that many CPU threads and with deterministic algorithms only. Raises StageError for a
    device that this machine lacks.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kind = next(kind for kind, there in available.items() if there) if name == "auto" else name
    if not available[kind]:
        raise StageError(f"device is {kind}, but torch sees none here: set device to auto or cpu")
    torch.set_num_threads(threads)
    # cuBLAS is repeatable only with a fixed workspace, read when CUDA starts:
    # https://docs.nvidia.com/cuda/cublas/index.html#results-reproducibility
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(mode=True)
    # A debugging aid of that mode, which fills memory that is overwritten anyway: 7 % of a training step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    return torch.device(kind)


def describe(device: torch.device) -> str:
    """The device as a person calls it, such as `cuda (NVIDIA H200)` or `cpu (2 threads)`."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)" if device.type == "cpu" else device.type
