import pytest

from mnist_vae.training.schedule import scheduled_rate, warmup_share


def test_constant_rate_stays_and_a_linear_one_falls_to_zero() -> None:
    done = [0, 250, 500, 999]
    assert [scheduled_rate(0.4, "constant", step, 1000) for step in done] == [0.4] * 4
    assert [scheduled_rate(0.4, "linear", step, 1000) for step in done] == pytest.approx([0.4, 0.3, 0.2, 0.0004])


def test_one_cycle_rises_in_a_tenth_of_the_steps_and_falls_to_zero_in_the_others() -> None:
    rates = [scheduled_rate(0.3, "one_cycle", done, 20) for done in range(20)]
    assert rates[:2] == pytest.approx([0.15, 0.3])
    assert rates[2:] == pytest.approx([0.3 * left / 18 for left in range(18, 0, -1)])


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 11])
def test_one_cycle_of_few_steps_has_no_rate_of_zero_and_none_above_the_learning_rate(steps: int) -> None:
    rates = [scheduled_rate(0.3, "one_cycle", done, steps) for done in range(steps)]
    assert all(0 < rate <= 0.3 for rate in rates)


@pytest.mark.parametrize(
    ("warmup_epochs", "shares"),
    [(0, [1, 1, 1]), (1, [0, 1, 1, 1]), (2, [0, 0.5, 1, 1]), (4, [0, 0.25, 0.5, 0.75, 1, 1, 1])],
)
def test_kls_share_rises_in_equal_steps_from_zero_to_one(warmup_epochs: int, shares: list[float]) -> None:
    assert [warmup_share(epoch, warmup_epochs) for epoch in range(1, len(shares) + 1)] == shares
