"""One step of a training: the terms of a batch, their gradients, Adam. On a GPU it is launched as one CUDA graph."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mnist_vae.model.loss import Terms
from mnist_vae.training.adam import Adam
from mnist_vae.training.distributed import Ranks

_STEPS_BEFORE_CAPTURE = 3  # in these, cuDNN and autograd set up things that must not happen during a capture


class Step:
    """Trains a model on this rank's shard of a batch, and returns the mean terms of the whole batch."""

    def __init__(self, terms_of: Callable[..., Terms], optimizer: Adam, ranks: Ranks):
        self._terms_of, self._optimizer, self._ranks = terms_of, optimizer, ranks

    def __call__(
        self, images: UInt8[Tensor, "B 1 S S"], noise: Float[Tensor, "B *K D"], kl_factor: float, batch_size: int
    ) -> Float[Tensor, "3"]:
        terms = self._terms_of(images, noise, kl_factor)
        self._optimizer.zero_grad()
        self._ranks.loss(terms.loss, batch_size).backward()
        self._optimizer.step()
        return self._ranks.mean_terms(terms, batch_size)


class Capture(NamedTuple):
    """A captured action: how to replay it, and the tensor that a replay writes its result into."""

    replay: Callable[[], None]
    result: Tensor


def capture_cuda_graph(action: Callable[[], Tensor]) -> Capture:
    """Capture the GPU's work of an action, without executing it.

    https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = action()
    return Capture(graph.replay, result)


class CapturedStep:
    """A step that is captured once and then replayed, so that some hundred small launches become one.

    The first few steps, and steps of another size than `batch_size`, run without the graph. If the share of the KL's
    weight changes, as in a warm-up, the step is captured again.
    """

    def __init__(
        self, step: Step, batch_size: int, capture: Callable[[Callable[[], Tensor]], Capture] = capture_cuda_graph
    ):
        self._step, self._batch_size, self._capture = step, batch_size, capture
        self._done = 0
        self._captured: _Captured | None = None

    def __call__(
        self, images: UInt8[Tensor, "B 1 S S"], noise: Float[Tensor, "B *K D"], kl_factor: float, batch_size: int
    ) -> Float[Tensor, "3"]:
        self._done += 1
        if self._done <= _STEPS_BEFORE_CAPTURE or batch_size != self._batch_size:
            return self._step(images, noise, kl_factor, batch_size)
        if self._captured is None or self._captured.kl_factor != kl_factor:
            self._captured = self._begin(images.clone(), noise.clone(), kl_factor)
        self._captured.images.copy_(images)
        self._captured.noise.copy_(noise)
        self._captured.capture.replay()
        return self._captured.capture.result

    def _begin(self, images: Tensor, noise: Tensor, kl_factor: float) -> "_Captured":
        capture = self._capture(lambda: self._step(images, noise, kl_factor, self._batch_size))
        return _Captured(capture, kl_factor, images, noise)


class _Captured(NamedTuple):
    capture: Capture
    kl_factor: float
    images: Tensor  # a replay reads this tensor and the next one
    noise: Tensor


def make_step(terms_of: Callable[..., Terms], optimizer: Adam, ranks: Ranks, batch_size: int) -> Step | CapturedStep:
    """The step that suits the device that the weights are on."""
    step = Step(terms_of, optimizer, ranks)
    can_capture = optimizer.is_on_cuda and ranks.count == 1
    return CapturedStep(step, batch_size) if can_capture else step
