"""Adam, and the averages that it keeps of each weight's gradients."""

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.adam import adam


class Adam:
    """Adam (Kingma & Ba 2015), by torch's function. `weight_decay` times the weights is added to the gradients.

    torch.optim.Adam calls the same function. Making one imports torch's compiler, which takes three seconds and is not
    used here. On a GPU the rate is a tensor, so that a captured step reads its value at each replay.
    """

    def __init__(
        self,
        weights: Iterable[nn.Parameter],
        rate: float,
        betas: tuple[float, float],
        epsilon: float,
        weight_decay: float = 0.0,
    ):
        self._weights: list[Tensor] = list(weights)
        self._betas, self._epsilon, self._weight_decay = betas, epsilon, weight_decay
        device = self._weights[0].device
        self.is_on_cuda = device.type == "cuda"
        self.rate: float | Tensor = torch.tensor(rate, device=device) if self.is_on_cuda else rate
        self._means = [torch.zeros_like(weight) for weight in self._weights]  # of the gradients
        self._squares = [torch.zeros_like(weight) for weight in self._weights]  # means of the gradients' squares
        self._steps = [torch.zeros((), device=device) for _ in self._weights]  # torch counts them for each weight

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next step."""
        if isinstance(self.rate, Tensor):
            self.rate.fill_(rate)
        else:
            self.rate = rate

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for weight in self._weights:
            weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Change the weights by their gradients. A weight without a gradient is an error."""
        adam(
            self._weights,
            [cast("Tensor", weight.grad) for weight in self._weights],
            self._means,
            self._squares,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            maximize=False,
            weight_decay=self._weight_decay,
            lr=self.rate,
            beta1=self._betas[0],
            beta2=self._betas[1],
            eps=self._epsilon,
        )

    def state(self) -> dict[str, Tensor]:
        """The tensors that resuming needs, by name. They are not copies: they change with the training."""
        return {
            f"{index}.{name}": tensor
            for name, tensors in (("exp_avg", self._means), ("exp_avg_sq", self._squares), ("step", self._steps))
            for index, tensor in enumerate(tensors)
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Resume from the state of an Adam of the same weights."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
