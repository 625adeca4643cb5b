"""The loop of a search: trials are begun, looked at, and told."""

import math
import time
from typing import NamedTuple

from mnist_vae.console.stage import Terminated, UserError
from mnist_vae.tracking.parents import ParentRun, TrialRun
from presets import Preset
from search_plan import SearchPlan
from study import Asked, Study
from trial_queue import Failed, Finished, Runner

_SECONDS = 0.5  # between two looks at the trials
_FAILURES = 3  # in a row, after which something else is wrong


class Limits(NamedTuple):
    """How many finished trials the study is to have, and how many this process may run at a time."""

    trials: int
    jobs: int


class Search:
    """One process's part in a study."""

    def __init__(self, plan: SearchPlan, base: dict, study: Study, runner: Runner, parent: ParentRun):
        self._plan, self._base = plan, base
        self._study, self._runner, self._parent = study, runner, parent
        self._running: dict[int, Preset] = {}
        self._failures = 0

    def run(self, limits: Limits) -> None:
        """Go on until that many trials are finished, or no more may begin. Raises UserError if it is broken off."""
        try:
            for asked in self._study.unfinished():
                self._accept(asked)
            self._begin_some(limits)
            while self._running:
                time.sleep(_SECONDS)
                self._look(limits)
                self._begin_some(limits)
        except KeyboardInterrupt as interrupt:
            reason = f"stopped by {'SIGTERM' if isinstance(interrupt, Terminated) else 'SIGINT'}"
            self._break_off(reason)
            self._parent.stop("KILLED", reason)
            raise UserError("stopped; what is finished stays, and `make search` goes on from there") from None
        except UserError as error:
            self._break_off("the search ended")
            self._parent.stop("FAILED", str(error))
            raise
        except Exception as error:
            self._parent.stop("FAILED", type(error).__name__)
            raise
        self._link()

    def _begin_some(self, limits: Limits) -> None:
        while len(self._running) < limits.jobs and (asked := self._study.begin(limits.trials)):
            if preset := self._accept(asked):
                self._runner.begin(preset)
                shown = ", ".join(f"{key} {value}" for key, value in preset.changes.items())
                print(f"search: trial {asked.number} is queued: {shown}", flush=True)

    def _accept(self, asked: Asked) -> Preset | None:
        try:
            self._running[asked.number] = self._plan.preset(asked.number, asked.suggested, self._base)
        except UserError as error:  # values that are valid one by one, but not together
            self._fail(asked.number, str(error))
        return self._running.get(asked.number)

    def _look(self, limits: Limits) -> None:
        for number, preset in list(self._running.items()):
            match self._runner.look(preset):
                case Failed(reason):
                    self._fail(number, reason)
                case Finished(epoch, _) if not math.isfinite(self._plan.value(epoch)):
                    self._fail(number, "its objective is no finite number")
                case Finished(epoch, model_md5):
                    self._finish(number, self._plan.value(epoch), model_md5, limits)

    def _finish(self, number: int, value: float, model_md5: str, limits: Limits) -> None:
        self._study.tell(number, value, model_md5)
        del self._running[number]
        self._failures = 0
        done = sum(told.value is not None for told in self._study.told())
        print(f"search: trial {number}: {value:.6g} ({done} of {limits.trials})", flush=True)
        self._link()

    def _fail(self, number: int, reason: str) -> None:
        self._running.pop(number, None)
        self._study.tell_failure(number, reason)
        print(f"search: trial {number} failed, and does not count: {reason}", flush=True)
        self._failures += 1
        if self._failures == _FAILURES:
            raise UserError(f"{_FAILURES} trials in a row failed, the last one because {reason}")

    def _break_off(self, reason: str) -> None:
        self._runner.stop(list(self._running.values()))
        for number in self._running:
            self._study.tell_failure(number, reason)

    def _link(self) -> None:
        self._parent.link(
            [TrialRun(f"{self._plan.study}-{told.number}", told.model_md5) for told in self._study.told()]
        )
