import pytest
import torch

from mnist_vae.training.schedule import initial_rate, scheduled_rate, set_rate, warmup_share


def test_constant_rate_stays_and_a_linear_one_falls_to_zero() -> None:
    shares = [0.0, 0.25, 0.5, 0.999]
    assert [scheduled_rate(0.4, "constant", share) for share in shares] == [0.4] * 4
    assert [scheduled_rate(0.4, "linear", share) for share in shares] == pytest.approx([0.4, 0.3, 0.2, 0.0004])


@pytest.mark.parametrize("rate", [0.5, torch.tensor(0.5)], ids=["number", "tensor"])
def test_optimiser_gets_the_rate_in_place(rate: float | torch.Tensor) -> None:
    weight = torch.zeros(1, requires_grad=True)
    adam = torch.optim.Adam([weight], rate)
    set_rate(adam, 0.25)
    assert float(adam.param_groups[0]["lr"]) == 0.25
    if isinstance(rate, torch.Tensor):
        assert adam.param_groups[0]["lr"] is rate  # what a captured step reads


def test_rate_is_a_tensor_on_a_gpu_alone() -> None:
    assert initial_rate(0.1, torch.device("cpu")) == 0.1
    assert isinstance(initial_rate(0.1, torch.device("cpu")), float)


@pytest.mark.parametrize(
    ("warmup_epochs", "shares"),
    [(0, [1, 1, 1]), (1, [0, 1, 1, 1]), (2, [0, 0.5, 1, 1]), (4, [0, 0.25, 0.5, 0.75, 1, 1, 1])],
)
def test_kls_share_rises_in_equal_steps_from_zero_to_one(warmup_epochs: int, shares: list[float]) -> None:
    assert [warmup_share(epoch, warmup_epochs) for epoch in range(1, len(shares) + 1)] == shares
