"""Where a training stands."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class TrainingState(NamedTuple):
    """Enough to go on from there to the same bits.

    The epoch in progress, counted from 1, and the mean terms of its steps so far; the model's and Adam's tensors.
    """

    epoch: int
    terms: Float[Tensor, "steps 3"]
    model: dict[str, Tensor]
    adam: dict[str, Tensor]


_MODEL, _ADAM = "model/", "adam/"


def named_tensors(state: TrainingState) -> dict[str, Tensor]:
    """All of the state in tensors, to be kept or sent."""
    return {
        "epoch": torch.tensor(state.epoch),
        "terms": state.terms,
        **{_MODEL + name: value for name, value in state.model.items()},
        **{_ADAM + name: value for name, value in state.adam.items()},
    }


def state_from(tensors: dict[str, Tensor]) -> TrainingState:
    """The state that named_tensors made them of, whatever others are among them."""
    (epoch,) = tensors["epoch"].flatten().tolist()
    return TrainingState(int(epoch), tensors["terms"], _part(tensors, _MODEL), _part(tensors, _ADAM))


def adam_tensors(adam: torch.optim.Adam) -> dict[str, Tensor]:
    """The optimiser's own tensors, by the index of their parameter and their name: none before its first step."""
    state = adam.state_dict()["state"]
    return {f"{index}.{name}": value for index, values in state.items() for name, value in values.items()}


def restore_adam(adam: torch.optim.Adam, tensors: dict[str, Tensor]) -> None:
    """Give the optimiser the tensors that adam_tensors returned."""
    content = adam.state_dict()
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        content["state"].setdefault(int(index), {})[key] = value
    adam.load_state_dict(content)


def require_fit(state: TrainingState, model: torch.nn.Module, epochs: int, steps: int) -> None:
    """Raise ValueError for a state that no training of the model, for that many epochs of steps, can have."""
    if not 1 <= state.epoch <= epochs + 1 or state.terms.shape[1:] != (3,) or len(state.terms) > steps:
        raise ValueError("its place in the training is none that there is")
    moments = {
        f"{index}.{name}": _Form(shape, torch.float32)
        for index, weight in enumerate(model.parameters())
        for name, shape in (("step", torch.Size()), ("exp_avg", weight.shape), ("exp_avg_sq", weight.shape))
    }
    if _forms(state.model) != _forms(model.state_dict()) or _forms(state.adam) not in (moments, {}):
        raise ValueError("its tensors are not those of this model")
    if spoilt := spoilt_tensors(state):
        raise ValueError(f"its {spoilt[0]} holds numbers that are not finite")


def spoilt_tensors(state: TrainingState) -> list[str]:
    """The names of the tensors in which not every number is finite."""
    tensors = {**state.model, **{f"adam {name}": value for name, value in state.adam.items()}, "loss": state.terms}
    return [name for name, tensor in tensors.items() if not tensor.isfinite().all()]


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


class _Form(NamedTuple):
    shape: torch.Size
    dtype: torch.dtype


def _forms(tensors: dict[str, Tensor]) -> dict[str, _Form]:
    return {name: _Form(tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
