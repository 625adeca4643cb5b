"""The values that a searched parameter may take, as search.yaml has them and as Optuna takes them."""

import json
import math
from typing import Annotated

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mnist_vae.common.params import Params, check_params
from mnist_vae.console.stage import UserError
from presets import make_preset


class Axis(BaseModel):
    """A range, or choices."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: Annotated[list, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _check_kind(self) -> "Axis":
        if (self.low is None) != (self.high is None) or (self.low is None) == (self.choices is None):
            raise ValueError("needs low and high, or choices")
        if self.log and self.low is None:
            raise ValueError("has choices, among which log means nothing")
        if self.low is not None and self.high is not None:
            if self.low >= self.high:
                raise ValueError(f"low is {self.low:g}, but must be less than high, which is {self.high:g}")
            if self.log and self.low <= 0:
                raise ValueError(f"low is {self.low:g}, but must be above 0 where log is true")
        return self

    def check(self, key: str, base: dict, source: str) -> None:
        """Raises UserError if the choices, or the ends of the range, are no values of that parameter."""
        for choice in self.choices or []:
            make_preset(key, {key: choice}, base, source)
        for end in self._ends(key, source) if not self.choices else []:
            check_params(base | {key: end}, source)

    def distribution(self, key: str) -> BaseDistribution:
        """It, as Optuna takes it: choices as JSON, because lists it takes not."""
        if self.choices:
            return CategoricalDistribution([json.dumps(choice) for choice in self.choices])
        low, high = self._ends(key, key)
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=self.log)
        return FloatDistribution(low, high, log=self.log)

    def value(self, suggested: float | str) -> object:
        """The parameter's value, from what Optuna suggested."""
        if isinstance(suggested, str):
            return json.loads(suggested)
        if isinstance(suggested, float) and "." not in repr(suggested):
            return math.nextafter(suggested, math.inf)  # such as 1e-05, which DVC cannot hand on
        return suggested

    def _ends(self, key: str, source: str) -> list[float]:
        ends = [end for end in (self.low, self.high) if end is not None]
        field = Params.model_fields.get(key)
        if field and field.annotation is int and all(end.is_integer() for end in ends):
            return [int(end) for end in ends]
        if field and field.annotation not in (int, float):
            raise UserError(f"{source}: {key} is no number, so it needs choices, not low and high")
        return ends
