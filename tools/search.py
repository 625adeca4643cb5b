"""Search the parameters of search.yaml by Optuna: each trial is a queued DVC experiment and a run in MLflow.

Stopped and started again, it goes on; several processes and machines may work on one study.
"""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from dvc_queue import hold_queue, parse_count
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import Terminated, UserError
from mnist_vae.tracking.parents import BestTrial, ParentRun, alive
from presets import ROOT
from search_loop import Limits, Search
from search_plan import SearchPlan, load_plan
from storage import open_storage, take_address, told_in_a_line
from study import Study
from trial_queue import QueueRunner, Runner


def search(limits: Limits, address: str, root: Path, runner: Callable[[int, Path], Runner] = QueueRunner) -> None:
    """Take part in the search. Raises UserError if it is broken off."""
    with hold_queue(root), told_in_a_line(address):
        base = load_params(root / "params.yaml").model_dump()
        plan = load_plan(root / "search.yaml", base)
        with open_storage(address, root) as storage:
            study = Study(plan, base, storage, root)
            with alive(root, study.key):
                parent = ParentRun(root, plan.study, study.key)
                Search(plan, base, study, runner(limits.jobs, root), parent).run(limits)
                if best := _report(plan, study, limits):
                    parent.finish(best)


def _report(plan: SearchPlan, study: Study, limits: Limits) -> BestTrial | None:
    """Print the best trial, and return it if the search has ended everywhere."""
    finished = [(told.value, told) for told in study.told() if told.value is not None]
    if (missing := limits.trials - len(finished)) > 0:
        print(
            f"search: {len(finished)} trials are finished, and {missing} are under way in other places; if those are no"
            " more, raise TRIALS"
        )
    if not finished:
        return None
    value, best = min(finished, key=lambda one: one[0])
    name = f"{plan.study}-{best.number}"
    terms = " + ".join(f"{weight:g} × {column}" for column, weight in plan.objective.items())
    values = ", ".join(f"{key} {plan.space[key].value(one)}" for key, one in best.suggested.items())
    print(f"search: the best of {len(finished)} trials is {best.number}: {values}")
    print(f"search: objective {value:.6g} = {terms}, in the last epoch")
    print(f"search: dvc exp apply {name}    (in the repository on {best.host} that ran it)")
    return None if missing > 0 else BestTrial(best.number, value, name)


def main(trials: str, jobs: str, root: Path) -> None:
    signal.signal(signal.SIGTERM, _terminate)
    search(Limits(parse_count("TRIALS", trials), parse_count("JOBS", jobs)), take_address(), root)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], ROOT)
    except UserError as error:
        sys.exit(f"search: {error}")
    except KeyboardInterrupt:
        sys.exit("search: stopped before it began anything")
