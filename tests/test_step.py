"""A step that is recorded and replayed, against one that is done operation by operation."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from builders import tiny_images, tiny_model, tiny_params
from mnist_vae.model.autoencoder import Autoencoder
from mnist_vae.training.ranks import OneProcess
from mnist_vae.training.schedule import set_rate
from mnist_vae.training.step import RecordedStep, Recording, Step, record_cuda_graph

BATCH = 8
# A batch of another size in the middle and at the end, and a share that changes.
SIZES = [8, 8, 8, 8, 5, 8, 8, 8, 8, 5]
SHARES = [0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 1.0]


def _pretend_to_record(action: Callable[[], Tensor]) -> Recording:
    """As on a GPU: the action is not done now, and each time it is done its result is in the same place."""
    result = torch.zeros(3)

    def replay() -> None:
        result.copy_(action())

    return Recording(replay, result)


def _adam(model: Autoencoder, device: str) -> torch.optim.Adam:
    rate = torch.tensor(0.0, device=device)
    return torch.optim.Adam(model.parameters(), rate, fused=True, capturable=device == "cuda")


def _run(step: Step | RecordedStep, adam: torch.optim.Adam, device: str) -> Tensor:
    params = tiny_params(learning_rate=0.01, learning_rate_schedule="linear").of_model()
    terms = []
    for number, (size, share) in enumerate(zip(SIZES, SHARES, strict=True)):
        images = tiny_images(size, seed=number).to(device)
        noise = torch.randn(size, 3, generator=torch.Generator().manual_seed(number)).to(device)
        set_rate(adam, params, number / len(SIZES))
        terms.append(step(images, noise, share, size).clone())
    return torch.stack(terms).cpu()


@pytest.mark.parametrize(
    ("device", "record"),
    [
        ("cpu", _pretend_to_record),
        pytest.param(
            *("cuda", record_cuda_graph),
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
        ),
    ],
)
def test_recorded_step_does_what_the_step_does(
    device: str, record: Callable[[Callable[[], Tensor]], Recording]
) -> None:
    plain, recorded = (tiny_model().to(device).train() for _ in range(2))
    plain_adam, recorded_adam = _adam(plain, device), _adam(recorded, device)
    recordings = []

    def counted(action: Callable[[], Tensor]) -> Recording:
        recordings.append(action)
        return record(action)

    expected = _run(Step(plain.terms, plain_adam, OneProcess()), plain_adam, device)
    step = RecordedStep(Step(recorded.terms, recorded_adam, OneProcess()), BATCH, counted)
    found = _run(step, recorded_adam, device)
    assert torch.equal(found, expected)
    for one, other in zip(recorded.state_dict().values(), plain.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert len(recordings) == 3  # one for each share
