"""Search the parameters in search.yaml with Optuna, until the study has enough finished trials.

Each trial is a DVC experiment STUDY-NUMBER and a run in MLflow. After a kill, start the search again to resume. To run
several trials at a time, start it several times, here or on other machines that share the storage.
"""

import argparse
import csv
import hashlib
import json
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote_plus

from command import ROOT, run_command

import optuna
from filelock import FileLock
from optuna.exceptions import ExperimentalWarning, OptunaError
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, ProgrammingError, SQLAlchemyError

from experiments import require_whole_clone, start_experiment
from mnist_vae.common import paths
from mnist_vae.common.params import Params, load_params
from mnist_vae.console.stage import Terminated, UserError, without_password
from mnist_vae.tracking.search import SearchRun, TrialRun
from presets import Preset, find_result
from search_plan import SearchPlan, load_plan

STORAGE = "MNIST_VAE_SEARCH_STORAGE"
_HEARTBEAT = 30  # seconds; a trial without a heartbeat for twice as long is retried
_FINISHED = (TrialState.COMPLETE,)
_FAILURES = 3  # after so many in a row, the cause is probably not the trials' parameters


class Outcome(NamedTuple):
    """The last row of a trial's epochs.csv, and the md5 sum of its model."""

    columns: dict[str, float]
    model_md5: str


Runner = Callable[[Preset, Path], Outcome]


def run_trial(preset: Preset, root: Path) -> Outcome:
    """Run a trial as a DVC experiment. Raises UserError if it fails."""
    running = start_experiment(preset.name, preset.settings(), root)
    try:
        running.wait()
    finally:
        running.stop()
    experiment = find_result(preset, root)
    if experiment is None:
        raise UserError(
            f"DVC kept no result, because the code or the commit changed, or the clone is shallow: see {running.log}"
        )
    *_, last = csv.DictReader(experiment.read(paths.EPOCHS, root).splitlines())
    return Outcome({name: float(value) for name, value in last.items()}, experiment.model_md5)


class Search:
    """The part of one process in a study."""

    def __init__(self, plan: SearchPlan, base: Params, storage: RDBStorage, root: Path, parent: SearchRun, run: Runner):
        self._plan, self._base, self._storage, self._root = plan, base, storage, root
        self._parent, self._run = parent, run
        self._failures = 0

    def objective(self, trial: optuna.Trial) -> float:
        """Run a trial. Raises UserError if it fails."""
        # The seed depends on the trial's number: with the same seed, all processes would suggest the same points.
        trial.study.sampler = TPESampler(seed=self._plan.seed + trial.number)
        self._beat(trial)
        try:
            preset = self._plan.preset(trial, self._base)
            print(f"search: trial {trial.number} runs: {', '.join(preset.settings())}", flush=True)
            trial.set_user_attr("host", platform.node())
            outcome = self._run(preset, self._root)
            trial.set_user_attr("model_md5", outcome.model_md5)
            return self._plan.value(outcome.columns)
        except KeyboardInterrupt:
            trial.study.enqueue_trial(trial.params)
            raise
        except UserError as error:
            trial.set_user_attr("reason", str(error))
            raise

    def _beat(self, trial: optuna.Trial) -> None:
        # Optuna's thread may record the first heartbeat later, and a trial that is killed without one runs forever.
        study_id = self._storage.get_study_id_from_name(trial.study.study_name)
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
        self._storage.record_heartbeat(trial_id)

    def after(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Print how a trial ended. Raises UserError if several trials in a row failed."""
        if trial.state == TrialState.COMPLETE:
            self._failures = 0
            done = len(study.get_trials(deepcopy=False, states=_FINISHED))
            print(f"search: trial {trial.number}: {trial.value:.6g}; {done} are finished", flush=True)
            self.link(study)
            return
        self._failures += 1
        reason = trial.user_attrs.get("reason", "")
        print(f"search: trial {trial.number} failed and does not count: {reason}", flush=True)
        if self._failures == _FAILURES:
            raise UserError(f"{_FAILURES} trials in a row failed, and the reason of the last one is: {reason}")

    def link(self, study: optuna.Study) -> None:
        """Make the runs of all finished trials children of the study's run."""
        trials = study.get_trials(deepcopy=False, states=_FINISHED)
        self._parent.link([TrialRun(f"{study.study_name}-{one.number}", one.user_attrs["model_md5"]) for one in trials])


def search(
    plan: SearchPlan, trials: int, address: str, root: Path, run: Runner = run_trial, heartbeat: int = _HEARTBEAT
) -> None:
    """Take part in the search until the study has that many finished trials. Raises UserError if it must stop early."""
    base = load_params(root / paths.PARAMS)
    with _told_in_a_line(address):
        storage = _open_storage(address, root, heartbeat)
        study = open_study(plan, base, storage)
        parent = SearchRun(root, plan.study, _key(study))
        part = Search(plan, base, storage, root, parent, run)
        try:
            if len(study.get_trials(states=_FINISHED)) < trials:
                enough = MaxTrialsCallback(trials, states=_FINISHED)
                study.optimize(part.objective, catch=(UserError,), callbacks=[enough, part.after])
        except KeyboardInterrupt as interrupt:
            parent.stop("KILLED", f"stopped by {'SIGTERM' if isinstance(interrupt, Terminated) else 'SIGINT'}")
            raise
        except UserError as error:
            parent.stop("FAILED", str(error))
            raise
        part.link(study)
        parent.finish(study.best_trial.number, study.best_value, f"{plan.study}-{study.best_trial.number}")
        _report(plan, study)


def _report(plan: SearchPlan, study: optuna.Study) -> None:
    best = study.best_trial
    values = ", ".join(f"{key} {value}" for key, value in best.params.items())
    terms = " + ".join(f"{weight:g} × {column}" for column, weight in plan.objective.items())
    print(f"search: the best trial is {best.number}: {values}")
    print(f"search: objective {study.best_value:.6g} = {terms}, in the last epoch")
    print(f"search: dvc exp apply {plan.study}-{best.number}    (in the repository on {best.user_attrs['host']})")


def open_study(plan: SearchPlan, base: Params, storage: RDBStorage) -> optuna.Study:
    """The study, created if it does not exist. Raises UserError if it began with another plan or other parameters."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=storage, study_name=plan.study, load_if_exists=True)
    definition = json.loads(json.dumps(plan.definition(base)))
    known = study.user_attrs.get("definition", definition)
    if other := [name for name, part in definition.items() if known.get(name) != part]:
        raise UserError(
            f"the study {plan.study} was started with another {other[0]}, so its trials cannot be compared with new"
            " ones: choose another name for study in search.yaml"
        )
    study.set_user_attr("definition", definition)
    return study


def _key(study: optuna.Study) -> str:
    """A key that distinguishes the study from others of its name. It is the same on each machine."""
    content = json.dumps([study.study_name, study.user_attrs["definition"]], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _open_storage(address: str, root: Path, heartbeat: int) -> RDBStorage:
    warnings.simplefilter("ignore", ExperimentalWarning)  # heartbeats are experimental
    url = _parsed(address)
    if url.get_backend_name() == "sqlite":
        if not url.database or url.database == ":memory:":
            raise UserError(f"{STORAGE} names a database in memory, which would be lost: name a file or a server")
        url = url.set(database=str((root / url.database).resolve()), query={"timeout": "30"})
    with FileLock(root / ".dvc" / "tmp" / "search-storage.lock"):
        for attempt in range(10):
            try:
                return RDBStorage(
                    url.render_as_string(hide_password=False),
                    heartbeat_interval=heartbeat,
                    heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
                )
            except (IntegrityError, ProgrammingError):  # another machine may be creating the same tables
                if attempt == 9:
                    raise
                time.sleep(0.5)
    raise AssertionError


def _parsed(address: str) -> URL:
    try:
        return make_url(address)
    except (ArgumentError, ValueError):
        raise UserError(
            f"{STORAGE} is not an address such as postgresql://user@host/database or sqlite:///file"
        ) from None


@contextmanager
def _told_in_a_line(address: str) -> Iterator[None]:
    """Turn a failure of the storage into a UserError, without the password."""
    try:
        yield
    except (SQLAlchemyError, OptunaError, ImportError) as error:
        url, cause = _parsed(address), error.__cause__ or error
        secrets = [str(url.password or ""), *(str(value) for key, value in url.query.items() if "pass" in key)]
        reason = next(iter(str(cause).splitlines()), "")
        for secret in [address, *(form for one in secrets if one for form in (one, quote_plus(one)))]:
            reason = reason.replace(secret, "***")
        raise UserError(
            f"the database of the trials failed ({type(cause).__name__}: {without_password(reason)[:300]})"
        ) from None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"Trials are kept in search.db, or in the database at {STORAGE}, for example postgresql://user:password@host/database.",
    )
    parser.add_argument(
        "--trials",
        type=int,
        choices=range(1, 100_001),
        metavar="N",
        default=20,
        help="end with N finished trials (default: 20)",
    )
    trials = parser.parse_args().trials
    require_whole_clone(ROOT)
    address = os.environ.pop(STORAGE, "") or "sqlite:///search.db"  # the stages must not see a password
    plan = load_plan(ROOT / "search.yaml", load_params(ROOT / paths.PARAMS))
    search(plan, trials, address, ROOT)


if __name__ == "__main__":
    run_command(main)
