"""A search's trials in Optuna's storage, which several processes and machines may share."""

import hashlib
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import optuna
from filelock import FileLock
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import text

from mnist_vae.console.stage import UserError
from search_plan import SearchPlan


class Asked(NamedTuple):
    """A trial that is to be run: its number, and the values that Optuna suggested, by key."""

    number: int
    suggested: dict


class Told(NamedTuple):
    """A finished trial: its number, its objective, None if it failed, what was suggested, its model's md5 sum, its
    host.
    """

    number: int
    value: float | None
    suggested: dict
    model_md5: str
    host: str


class Study:
    """The trials of a plan. A trial belongs to the repository that began it."""

    def __init__(self, plan: SearchPlan, base: dict, storage: RDBStorage, root: Path):
        """Raises UserError if the study began with another plan, or around other parameters."""
        self._plan = plan
        self._place = {
            "host": platform.node(),
            "repository": hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16],
        }
        self._storage = storage
        self._study = optuna.create_study(storage=self._storage, study_name=plan.study, load_if_exists=True)
        with self._alone():
            self._require_same(plan.definition(base))

    @property
    def key(self) -> str:
        """What tells this study from others of its name, in other storages."""
        return self._study.user_attrs["key"]

    def begin(self, wanted: int) -> Asked | None:
        """A new trial, unless that many are finished or under way already, wherever."""
        with self._alone():
            self._fail_ownerless(self._trials())
            trials = self._trials()
            if sum(trial.state in (TrialState.COMPLETE, TrialState.RUNNING) for trial in trials) >= wanted:
                return None
            # The same seed after a restart, or on another machine, would suggest the same points again.
            seed = hashlib.sha256(f"{self._plan.seed} {len(trials)}".encode()).digest()[:4]
            self._study.sampler = TPESampler(multivariate=True, constant_liar=True, seed=int.from_bytes(seed, "big"))
            trial = self._study.ask(self._plan.distributions())
            for name, value in self._place.items():
                trial.set_user_attr(name, value)
        return Asked(trial.number, trial.params)

    def unfinished(self) -> list[Asked]:
        """The trials that this repository began and that were not told, such as those of a process that was killed."""
        mine = [trial for trial in self._trials() if self._is_mine(trial) and trial.state == TrialState.RUNNING]
        return [Asked(trial.number, trial.params) for trial in mine]

    def tell(self, number: int, value: float, model_md5: str) -> None:
        """A trial is finished."""
        self._set(number, "model_md5", model_md5)
        self._study.tell(number, value)

    def tell_failure(self, number: int, reason: str) -> None:
        """A trial failed, and does not count."""
        self._set(number, "reason", reason)
        self._study.tell(number, state=TrialState.FAIL)

    def told(self) -> list[Told]:
        """The finished and the failed trials."""
        return [
            Told(
                trial.number,
                trial.value if trial.state == TrialState.COMPLETE else None,
                trial.params,
                trial.user_attrs.get("model_md5", ""),
                trial.user_attrs.get("host", ""),
            )
            for trial in self._trials()
            if trial.state.is_finished()
        ]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Meanwhile no other process begins a trial, so that no two begin the last one."""
        if self._storage.engine.dialect.name == "sqlite":
            with FileLock(f"{self._storage.engine.url.database}.lock"):
                yield
            return
        # A row that Optuna only reads: locking the study's own would make Optuna wait for this connection.
        with self._storage.engine.begin() as connection:
            connection.execute(text("SELECT version_info_id FROM version_info FOR UPDATE"))
            yield

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _is_mine(self, trial: FrozenTrial) -> bool:
        return all(trial.user_attrs.get(name) == value for name, value in self._place.items())

    def _fail_ownerless(self, trials: list[FrozenTrial]) -> None:
        # They get their owner under the lock that is held now: whoever began these was killed before that.
        for trial in trials:
            if trial.state == TrialState.RUNNING and "repository" not in trial.user_attrs:
                self.tell_failure(trial.number, "its process was killed as it began")

    def _set(self, number: int, name: str, value: str) -> None:
        (trial_id,) = [trial._trial_id for trial in self._trials() if trial.number == number]  # noqa: SLF001
        self._storage.set_trial_user_attr(trial_id, name, value)

    def _require_same(self, definition: dict[str, object]) -> None:
        attributes = self._study.user_attrs
        if "definition" not in attributes:
            self._study.set_user_attr("key", uuid4().hex)
            self._study.set_user_attr("definition", definition)
        elif other := [name for name, part in definition.items() if attributes["definition"].get(name) != part]:
            raise UserError(
                f"the study {self._plan.study} began with another {other[0]}, and its trials cannot be compared with"
                " new ones: give it another name in search.yaml"
            )
