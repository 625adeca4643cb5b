import pytest
import torch
from torch import Tensor, nn

from mnist_vae.training.adam import Adam

BETAS, EPSILON = (0.6, 0.95), 1e-3


def _weights() -> list[nn.Parameter]:
    source = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=source)) for shape in [(3, 2), (4,)]]


def _gradients(step: int, weights: list[nn.Parameter]) -> list[Tensor]:
    source = torch.Generator().manual_seed(step)
    return [torch.randn(weight.shape, generator=source) for weight in weights]


def _steps(adam: Adam | torch.optim.Adam, weights: list[nn.Parameter], steps: range) -> list[Tensor]:
    for step in steps:
        for weight, gradient in zip(weights, _gradients(step, weights), strict=True):
            weight.grad = gradient
        adam.step()
    return [weight.detach().clone() for weight in weights]


def test_steps_are_those_of_the_paper() -> None:
    weights = _weights()
    expected = [weight.detach().double() for weight in weights]
    means, squares = ([torch.zeros_like(weight) for weight in expected] for _ in range(2))
    adam = Adam(weights, 0.1, BETAS, EPSILON)
    for step in range(1, 6):
        adam.set_rate(0.1 / step)
        found = _steps(adam, weights, range(step, step + 1))
        for index, gradient in enumerate(_gradients(step, weights)):
            means[index] = BETAS[0] * means[index] + (1 - BETAS[0]) * gradient.double()
            squares[index] = BETAS[1] * squares[index] + (1 - BETAS[1]) * gradient.double() ** 2
            mean, square = means[index] / (1 - BETAS[0] ** step), squares[index] / (1 - BETAS[1] ** step)
            expected[index] = expected[index] - 0.1 / step * mean / (square.sqrt() + EPSILON)
            torch.testing.assert_close(found[index].double(), expected[index], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_steps_have_the_bits_of_torchs_fused_adam(decay: float) -> None:
    ours, theirs = _weights(), _weights()
    found = _steps(Adam(ours, 0.1, BETAS, EPSILON, decay), ours, range(5))
    expected = _steps(torch.optim.Adam(theirs, 0.1, BETAS, EPSILON, decay, fused=True), theirs, range(5))
    assert all(map(torch.equal, found, expected))


def test_restored_optimiser_continues_with_the_same_bits() -> None:
    weights = _weights()
    adam = Adam(weights, 0.1, BETAS, EPSILON)
    _steps(adam, weights, range(3))
    state = {name: tensor.clone() for name, tensor in adam.state().items()}
    resumed = [nn.Parameter(weight.detach().clone()) for weight in weights]
    other = Adam(resumed, 0.1, BETAS, EPSILON)
    other.restore(state)
    assert all(map(torch.equal, _steps(other, resumed, range(3, 5)), _steps(adam, weights, range(3, 5))))


def test_zero_grad_forgets_the_gradients() -> None:
    weights = _weights()
    adam = Adam(weights, 0.1, BETAS, EPSILON)
    _steps(adam, weights, range(1))
    adam.zero_grad()
    assert [weight.grad for weight in weights] == [None, None]


def test_rate_is_a_number_without_a_gpu() -> None:
    adam = Adam(_weights(), 0.1, BETAS, EPSILON)
    assert (adam.rate, adam.is_on_cuda) == (0.1, False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_rate_stays_one_tensor_on_a_gpu() -> None:
    adam = Adam([nn.Parameter(weight.detach().cuda()) for weight in _weights()], 0.1, BETAS, EPSILON)
    rate = adam.rate
    adam.set_rate(0.25)
    assert adam.rate is rate  # which a captured step reads
    assert float(rate) == 0.25
