"""The search space and the objective in search.yaml, checked against the parameters."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from optuna.trial import BaseTrial, Trial
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mnist_vae.common.params import CustomParams, DataParams, ModelParams, Params
from mnist_vae.common.yaml12 import load_yaml
from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochRow
from presets import Preset, make_preset

_COLUMNS = [name for name in EpochRow._fields if name.startswith("validation_")]
# If one of these changes, the columns measure something else: other images, or another error.
_OF_THE_MEASURE = {*DataParams.model_fields, *CustomParams.model_fields, "custom_data", "reconstruction"}
# If one of these changes, the loss measures something else.
_OF_THE_LOSS = {"kl_weight", "kl_warmup_epochs", "free_nats", "reduction", "latent_dim", "variational"}


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Axis(_Strict):
    """The values that a parameter may take: a range, or choices."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: Annotated[list, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _check_kind(self) -> "Axis":
        if (self.low is None) != (self.high is None) or (self.low is None) == (self.choices is None):
            raise ValueError("needs low and high, or choices")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low is {self.low:g}, but must be less than high, which is {self.high:g}")
        if self.log and (self.low is None or self.low <= 0):
            raise ValueError("log: true needs a low above 0")
        return self

    def examples(self, base: object) -> list:
        """The choices, or both ends of the range. The ends are ints if they and the default `base` are whole."""
        if self.choices is not None:
            return self.choices
        whole = isinstance(base, int) and all(float(end or 0).is_integer() for end in (self.low, self.high))
        return [int(end or 0) if whole else end for end in (self.low, self.high)]

    def suggest(self, trial: BaseTrial, key: str, base: object) -> object:
        """The value that Optuna suggests to a trial."""
        low, high, *_ = [*self.examples(base), None]
        if self.choices is not None:
            # The choices are passed as JSON, because Optuna accepts no lists.
            return json.loads(trial.suggest_categorical(key, [json.dumps(choice) for choice in self.choices]))
        if isinstance(low, int) and isinstance(high, int):
            return trial.suggest_int(key, low, high, log=self.log)
        return trial.suggest_float(key, float(low or 0), float(high or 0), log=self.log)


class SearchPlan(_Strict):
    """All of search.yaml."""

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w-]{0,60}$")]
    seed: Annotated[int, Field(ge=0)]
    objective: Annotated[dict[str, float], Field(min_length=1)]
    fixed: dict[str, object] = {}
    space: Annotated[dict[str, Axis], Field(min_length=1)]

    def preset(self, trial: Trial, base: Params) -> Preset:
        """The preset of a trial's experiment. Raises UserError if its values are not valid together."""
        values = {key: axis.suggest(trial, key, getattr(base, key)) for key, axis in self.space.items()}
        return make_preset(f"{self.study}-{trial.number}", self.fixed | values, base, f"trial {trial.number}")

    def value(self, columns: Mapping[str, float]) -> float:
        """The objective of a row of epochs.csv. Raises UserError if it is not finite."""
        value = math.fsum(weight * columns[name] for name, weight in self.objective.items())
        if not math.isfinite(value):
            raise UserError("its objective is not finite")
        return value

    def definition(self, base: Params) -> dict[str, object]:
        """Everything that must be the same for two trials to be comparable. Each machine may choose the rest."""
        free = {*self.space, "device", "threads", "processes"}
        of_model = {
            key: value for key, value in base.model_dump(mode="json").items() if key in ModelParams.model_fields
        }
        others = {key: value for key, value in (of_model | self.fixed).items() if key not in free}
        return {"objective": self.objective, "space": self.model_dump()["space"], "other parameters": others}


def load_plan(path: Path, base: Params) -> SearchPlan:
    """The plan in a YAML file, for changes of the parameters `base`. Raises UserError with what is wrong."""
    try:
        plan = SearchPlan.model_validate(load_yaml(path))
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, one['loc']))} {one['msg'].removeprefix('Value error, ')}" for one in error.errors()
        ]
        raise UserError(f"{path}: {'; '.join(faults)}") from None
    _check_objective(plan, path)
    make_preset(plan.study, plan.fixed, base, f"{path}: fixed")
    for key, axis in plan.space.items():
        if key in plan.fixed:
            raise UserError(f"{path}: {key} is in fixed and in space: remove it from one of them")
        if key in _OF_THE_MEASURE:
            raise UserError(
                f"{path}: {key} cannot be searched, because it changes what the objective measures: remove it"
            )
        for value in axis.examples(getattr(base, key, None)):
            make_preset(key, plan.fixed | {key: value}, base, f"{path}: space")
    return plan


def _check_objective(plan: SearchPlan, path: Path) -> None:
    if wrong := [name for name in plan.objective if name not in _COLUMNS]:
        raise UserError(
            f"{path}: objective has {wrong[0]}, which is not a column of the validation images: use only"
            f" {', '.join(_COLUMNS)}"
        )
    if "validation_loss" in plan.objective and (of_loss := sorted(_OF_THE_LOSS & plan.space.keys())):
        raise UserError(
            f"{path}: objective has validation_loss, but the loss of the same model depends on {of_loss[0]}, which is"
            " in space: use the other validation columns"
        )
