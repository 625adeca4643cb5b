"""What is searched and by which measure: search.yaml, checked against the parameters."""

import json
import math
from pathlib import Path
from typing import Annotated

import yaml
from optuna.distributions import BaseDistribution
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mnist_vae.common.params import ModelParams
from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochRow
from presets import Preset, make_preset
from search_space import Axis

_NAME = r"^[A-Za-z0-9][\w-]{0,60}$"
_COLUMNS = [name for name in EpochRow._fields if name.startswith("validation_")]
# With another of these, the columns measure something else: other images, or another error.
_OF_THE_MEASURE = {"seed", "dataset", "image_size", "validation_size", "reconstruction"}
# With another of these, the loss does, too.
_OF_THE_LOSS = {"kl_weight", "kl_warmup_epochs", "free_nats", "reduction", "latent_dim", "variational"}


class SearchPlan(BaseModel):
    """All of search.yaml."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    study: Annotated[str, Field(pattern=_NAME)]
    seed: Annotated[int, Field(ge=0)]
    objective: Annotated[dict[str, float], Field(min_length=1)]
    fixed: dict[str, object] = {}
    space: Annotated[dict[str, Axis], Field(min_length=1)]

    def distributions(self) -> dict[str, BaseDistribution]:
        """The space, as Optuna takes it."""
        return {key: axis.distribution(key) for key, axis in self.space.items()}

    def preset(self, number: int, suggested: dict, base: dict) -> Preset:
        """The experiment of a trial. Raises UserError if the values are not valid together."""
        values = {key: self.space[key].value(value) for key, value in suggested.items()}
        return make_preset(f"{self.study}-{number}", self.fixed | values, base, f"trial {number}")

    def value(self, epoch: EpochRow) -> float:
        """The objective, of the last epoch's line."""
        return math.fsum(weight * getattr(epoch, name) for name, weight in self.objective.items())

    def definition(self, base: dict) -> dict[str, object]:
        """What makes the values of two trials comparable: all but what a machine may choose for itself."""
        free = {*self.space, "device", "threads", "processes"}
        others = {key: value for key, value in (base | self.fixed).items() if key not in free}
        of_model = {key: value for key, value in others.items() if key in ModelParams.model_fields}
        content = {"objective": self.objective, "space": self.model_dump()["space"], "other parameters": of_model}
        return json.loads(json.dumps(content))


def load_plan(path: Path, base: dict) -> SearchPlan:
    """The plan in a YAML file, for searches around the parameters `base`. Raises UserError with what is wrong."""
    try:
        plan = SearchPlan.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    except ValidationError as error:
        found = [(".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")) for one in error.errors()]
        raise UserError(f"{path}: {'; '.join(f'{place} {complaint}' for place, complaint in found)}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    _check_objective(plan, path)
    _check_space(plan, base, path)
    return plan


def _check_objective(plan: SearchPlan, path: Path) -> None:
    if wrong := [name for name in plan.objective if name not in _COLUMNS]:
        raise UserError(
            f"{path}: objective has {wrong[0]}, but only the validation images may choose: {', '.join(_COLUMNS)}"
        )
    if "validation_loss" in plan.objective and (of_loss := sorted(_OF_THE_LOSS & plan.space.keys())):
        raise UserError(
            f"{path}: objective has validation_loss, which changes with {of_loss[0]} for the same model: weigh"
            " validation_distortion_per_image and validation_kl_nats_per_image"
        )


def _check_space(plan: SearchPlan, base: dict, path: Path) -> None:
    make_preset(plan.study, plan.fixed, base, f"{path}: fixed")
    for key, axis in plan.space.items():
        if key in plan.fixed:
            raise UserError(f"{path}: {key} is in fixed and in space")
        if key in _OF_THE_MEASURE:
            raise UserError(f"{path}: {key} cannot be searched: with it changes what the objective measures")
        axis.check(key, base | plan.fixed, f"{path}: space")
