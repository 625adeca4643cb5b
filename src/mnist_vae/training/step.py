"""One step of a training: the terms of a batch, their gradients, Adam. On a GPU it is launched as one CUDA graph."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mnist_vae.model.loss import Terms
from mnist_vae.training.ranks import OneProcess, Ranks

_STEPS_BEFORE_RECORDING = 3  # in which cuDNN and autograd set up what a recording must not


class Step:
    """Trains a replica of a model on the images of a batch that this rank has, and returns the batch's mean terms."""

    def __init__(self, terms_of: Callable[..., Terms], adam: torch.optim.Adam, ranks: OneProcess | Ranks):
        self._terms_of, self._adam, self._ranks = terms_of, adam, ranks

    def __call__(
        self, images: UInt8[Tensor, "B 1 S S"], noise: Float[Tensor, "B D"], rate_share: float, batch_size: int
    ) -> Float[Tensor, "3"]:
        terms = self._terms_of(images, noise, rate_share)
        self._adam.zero_grad()
        self._ranks.loss(terms.loss, batch_size).backward()
        self._adam.step()
        return torch.stack(self._ranks.means(terms))


class Recording(NamedTuple):
    """What was recorded: doing it again, and the tensor that this writes its result into."""

    replay: Callable[[], None]
    result: Tensor


def record_cuda_graph(action: Callable[[], Tensor]) -> Recording:
    """The GPU's work in an action, without doing it (https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs)."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = action()
    return Recording(graph.replay, result)


class RecordedStep:
    """A step that is recorded once, then replayed: some hundred small launches become one.

    All steps are real ones. The first few, and those of another size than `batch_size`, are done one operation after
    the other. A share that has changed, as in a warm-up, is recorded anew.
    """

    def __init__(
        self, step: Step, batch_size: int, record: Callable[[Callable[[], Tensor]], Recording] = record_cuda_graph
    ):
        self._step, self._batch_size, self._record = step, batch_size, record
        self._done = 0
        self._recorded: _Recorded | None = None

    def __call__(
        self, images: UInt8[Tensor, "B 1 S S"], noise: Float[Tensor, "B D"], rate_share: float, batch_size: int
    ) -> Float[Tensor, "3"]:
        self._done += 1
        if self._done <= _STEPS_BEFORE_RECORDING or batch_size != self._batch_size:
            return self._step(images, noise, rate_share, batch_size)
        if self._recorded is None or self._recorded.rate_share != rate_share:
            self._recorded = self._begin(images.clone(), noise.clone(), rate_share)
        self._recorded.images.copy_(images)
        self._recorded.noise.copy_(noise)
        self._recorded.recording.replay()
        return self._recorded.recording.result

    def _begin(self, images: Tensor, noise: Tensor, rate_share: float) -> "_Recorded":
        recording = self._record(lambda: self._step(images, noise, rate_share, self._batch_size))
        return _Recorded(recording, rate_share, images, noise)


class _Recorded(NamedTuple):
    recording: Recording
    rate_share: float
    images: Tensor  # these two are what a replay reads
    noise: Tensor


def make_step(
    terms_of: Callable[..., Terms], adam: torch.optim.Adam, ranks: OneProcess | Ranks, batch_size: int
) -> Step | RecordedStep:
    """The step that suits the device that the weights are on."""
    step = Step(terms_of, adam, ranks)
    is_recorded = adam.param_groups[0]["capturable"] and isinstance(ranks, OneProcess)
    return RecordedStep(step, batch_size) if is_recorded else step
