"""A step that is captured and replayed, against one that is done operation by operation."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from builders import adam_of, tiny_images, tiny_model
from mnist_vae.training.adam import Adam
from mnist_vae.training.distributed import Ranks
from mnist_vae.training.schedule import scheduled_rate
from mnist_vae.training.step import Capture, CapturedStep, Step, capture_cuda_graph

BATCH = 8
# A batch of another size in the middle and at the end, and a share that changes.
SIZES = [8, 8, 8, 8, 5, 8, 8, 8, 8, 5]
SHARES = [0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 1.0]


def _pretend_to_capture(action: Callable[[], Tensor]) -> Capture:
    """As on a GPU: the action is not done now, and each time it is done its result is in the same place."""
    result = torch.zeros(3)

    def replay() -> None:
        result.copy_(action())

    return Capture(replay, result)


def _run(step: Step | CapturedStep, adam: Adam, device: str, codes: tuple[int, ...]) -> Tensor:
    terms = []
    for number, (size, share) in enumerate(zip(SIZES, SHARES, strict=True)):
        images = tiny_images(size, seed=number).to(device)
        noise = torch.randn(size, *codes, generator=torch.Generator().manual_seed(number)).to(device)
        adam.set_rate(scheduled_rate(0.01, "linear", number, len(SIZES)))
        terms.append(step(images, noise, share, size).clone())
    return torch.stack(terms).cpu()


@pytest.mark.parametrize(
    ("device", "capture"),
    [
        ("cpu", _pretend_to_capture),
        pytest.param(
            *("cuda", capture_cuda_graph),
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
        ),
    ],
)
@pytest.mark.parametrize(
    ("codes", "changes"),
    [((3,), {}), ((4, 3), {"network": "mlp", "reconstruction": "bernoulli", "reduction": "sum", "kl_weight": 1})],
    ids=["KL in closed form", "bound of sampled codes"],
)
def test_captured_step_does_what_the_step_does(
    device: str, capture: Callable[[Callable[[], Tensor]], Capture], codes: tuple[int, ...], changes: dict
) -> None:
    plain, captured = (tiny_model(**changes).to(device).train() for _ in range(2))
    plain_adam, captured_adam = adam_of(plain), adam_of(captured)
    captures = []

    def counted(action: Callable[[], Tensor]) -> Capture:
        captures.append(action)
        return capture(action)

    expected = _run(Step(plain.terms, plain_adam, Ranks()), plain_adam, device, codes)
    step = CapturedStep(Step(captured.terms, captured_adam, Ranks()), BATCH, counted)
    found = _run(step, captured_adam, device, codes)
    assert torch.equal(found, expected)
    for one, other in zip(captured.state_dict().values(), plain.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert len(captures) == 3  # one for each share
