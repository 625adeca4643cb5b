"""The device of the tensors, the number format of its products, and the settings that make its results repeatable."""

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from mnist_vae.console.stage import UserError

# Images per forward pass outside training. It bounds the memory, and larger batches do not fit into a processor's
# caches. Results depend on it, because noise is drawn, and free nats are averaged, for each batch.
EVALUATION_BATCH = 500

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # as malloc.h numbers them
_GIBIBYTE = 1 << 30
_TASKS = Path("/proc/self/task")  # Linux has an entry for each thread there
_ELEMENTS_FOR_ALL_THREADS = 1 << 20  # torch shares an operation of so many elements among all its threads

Context = Callable[[], AbstractContextManager]


def find_device(name: str) -> torch.device:
    """The device named cpu, cuda or mps. For auto, the first available one of cuda, mps and cpu.

    Raises UserError if this machine does not have the device.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kind = next(kind for kind, is_available in available.items() if is_available) if name == "auto" else name
    if not available[kind]:
        raise UserError(f"device is {kind}, but torch finds no such device here: set device to auto or cpu")
    return torch.device(kind)


def prepare_device(name: str, threads: int, *, deterministic: bool) -> torch.device:
    """Find the device as find_device does, and set torch to compute in float32 with that many CPU threads.

    With `deterministic`, torch uses only algorithms that give the same bits each time, otherwise the fastest it finds.
    """
    device = find_device(name)
    torch.set_num_threads(threads)
    _keep_freed_memory()
    _multiply_in("ieee")
    # The same as use_deterministic_algorithms, which takes two seconds to import a compiler that is not used here.
    torch.set_deterministic_debug_mode("error" if deterministic else "default")
    # cuDNN's benchmark times several algorithms for each convolution, so it may choose another one each time.
    torch.backends.cudnn.benchmark = not deterministic
    if not deterministic:
        return device
    # cuBLAS is repeatable only with a fixed workspace, read when CUDA starts:
    # https://docs.nvidia.com/cuda/cublas/index.html#results-reproducibility
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # The deterministic mode fills new memory as a debugging aid. It is overwritten anyway, and costs 7 % of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    return device


def start_threads() -> list[int]:
    """Start torch's CPU threads, and return their numbers in Linux, that of the calling thread first.

    Call it before torch computes. The list is empty where the system does not number threads.
    """
    if not hasattr(os, "sched_setaffinity") or not _TASKS.exists():
        return []
    before = _threads_of_process()
    torch.zeros(_ELEMENTS_FOR_ALL_THREADS).add_(1)
    return [threading.get_native_id(), *sorted(_threads_of_process() - before)]


@contextmanager
def bound_threads(threads: Sequence[int]) -> Iterator[None]:
    """In the block, keep each of torch's threads on a CPU of its own, if there is one for each CPU.

    They wait for each other in each operation. Beside another busy process, Linux often puts two of them on one CPU,
    and then a step takes about four times as long. With fewer threads than CPUs, Linux finds a free CPU for each. The
    number of the process decides which CPU the first thread gets, so that two trainings may begin with different ones:
    the first thread has the most to do.
    """
    cpus = sorted(os.sched_getaffinity(0)) if threads else []
    if len(cpus) == 1 or len(cpus) != len(threads):
        yield
        return
    with suppress(OSError):  # if the machine forbids it, the threads stay where they are
        for number, thread in enumerate(threads, start=os.getpid()):
            os.sched_setaffinity(thread, {cpus[number % len(cpus)]})
    try:
        yield
    finally:
        with suppress(OSError):
            for thread in threads:
                os.sched_setaffinity(thread, cpus)


def autocast(precision: str, device: torch.device) -> Context:
    """The context for the layers' forward pass in training: autocast for bfloat16 (7 bits of mantissa), else none.

    The loss and the weights stay in float32.
    """
    if precision != "bfloat16":
        return nullcontext
    # The weights are cast in each step, because a cached cast could not be part of a CUDA graph.
    return lambda: torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


@contextmanager
def tensor_cores(precision: str, device: torch.device) -> Iterator[None]:
    """In the block, products use 10 bits of mantissa if the precision is tf32, in forward and backward passes.

    Raises UserError for tf32 on a device that lacks it.
    """
    if precision == "tf32" and device.type != "cuda":
        raise UserError(
            f"precision is tf32, which {device.type} does not support: set precision to float32 or bfloat16"
        )
    _multiply_in("tf32" if precision == "tf32" else "ieee")
    try:
        yield
    finally:
        _multiply_in("ieee")


def is_emulated(precision: str, device: torch.device) -> bool:
    """Whether the device emulates the precision by float32, which is slower than float32 itself."""
    if precision != "bfloat16" or device.type != "cpu":
        return False
    return not torch.ops.mkldnn._is_mkldnn_bf16_supported()  # noqa: SLF001 (it has no public name)


def place(images: UInt8[np.ndarray, "N 1 S S"], device: torch.device) -> UInt8[Tensor, "N 1 S S"]:
    """The images as one tensor on the device; on the CPU it shares the array's memory."""
    return torch.from_dlpack(images).to(device)  # unlike from_numpy, it does not warn about a read-only array


def _threads_of_process() -> set[int]:
    return {int(entry.name) for entry in _TASKS.iterdir()}


def _keep_freed_memory() -> None:
    """Let this process keep the memory that tensors free, for the next ones.

    glibc gives it back otherwise, and the page faults of getting it again take a third of the time of estimating a
    likelihood, and up to a fifth of a training's.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):  # other libraries lack it
        library.mallopt(_M_TRIM_THRESHOLD, _GIBIBYTE)
        library.mallopt(_M_MMAP_THRESHOLD, _GIBIBYTE)


def _multiply_in(precision: str) -> None:
    # torch's own default is tf32 for convolutions but not for matrix products.
    cudnn: Any = torch.backends.cudnn  # pyright does not know its attributes
    for operations in (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn):
        operations.fp32_precision = precision
