"""Trials as experiments in DVC's queue: begun, looked at, and stopped."""

import subprocess
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple, Protocol

from dvc_queue import end_dead_tasks, queue, queue_status, remove_queued, stop_queue
from experiments import experiment_commits, last_epoch, params_in, stages_of
from mnist_vae.common.params import check_params
from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochRow
from presets import Preset

_LOG = Path(".dvc") / "tmp" / "queue-workers.log"
_MODEL = "models/model.safetensors"
_SECONDS = 5  # between two questions to DVC, each of which takes it about one


class Finished(NamedTuple):
    """A trial's last epoch, and the md5 sum of its model."""

    epoch: EpochRow
    model_md5: str


class Failed(NamedTuple):
    """Why a trial has no result."""

    reason: str


class Runner(Protocol):
    """What runs trials."""

    def begin(self, preset: Preset) -> None:
        """Run a trial, some time. Raises UserError if it cannot be."""

    def look(self, preset: Preset) -> Finished | Failed | None:
        """What became of a trial; None while it waits or runs."""

    def stop(self, presets: list[Preset]) -> None:
        """End those trials."""


class QueueRunner:
    """Runs trials by DVC's queue, some at a time. Its workers outlive this process."""

    def __init__(self, jobs: int, root: Path):
        self._jobs, self._root = jobs, root
        # The latest answers of DVC: a task that goes from one of its lists to another may be in neither for a moment.
        self._answers = deque([end_dead_tasks(root)], maxlen=3)
        self._asked_at = time.monotonic()
        self._has_work = True

    def begin(self, preset: Preset) -> None:
        latest = self._answers[-1]
        queue([preset], latest, self._root)
        self._answers.clear()
        self._answers.append({name: state for name, state in latest.items() if name != preset.name})
        self._has_work = True

    def look(self, preset: Preset) -> Finished | Failed | None:
        if found := self._result(preset):
            return found
        self._ask()
        state = self._answers[-1].get(preset.name)
        known = any(preset.name in answer for answer in self._answers)
        if state in ("Queued", "Running") or (state is None and (known or len(self._answers) < 3)):
            return None
        # It may have come to its end since.
        reason = (
            f"its pipeline failed: see `dvc queue logs {preset.name}`" if state else "it is no longer in DVC's queue"
        )
        return self._result(preset) or Failed(reason)

    def stop(self, presets: list[Preset]) -> None:
        names = [preset.name for preset in presets]
        stop_queue(names, self._root)
        remove_queued(names, self._root)

    def _result(self, preset: Preset) -> Finished | Failed | None:
        commit = experiment_commits(self._root).get(preset.name)
        stages = stages_of(self._root, commit) if commit else {}
        if commit is None or "render" not in stages:
            return None
        try:
            if check_params(params_in(stages), preset.name) != preset.params:
                return Failed("its experiment has other parameters: was params.yaml changed meanwhile?")
            epoch = last_epoch(self._root, commit)
        except UserError as error:
            return Failed(str(error))
        (model_md5,) = [out["md5"] for out in stages["train"]["outs"] if out["path"] == _MODEL]
        return Finished(epoch, model_md5)

    def _ask(self) -> None:
        if self._has_work:
            self._start_workers()
        elif time.monotonic() - self._asked_at > _SECONDS:
            self._answers.append(queue_status(self._root).tasks)
            # A worker that finds nothing to do for a while ends.
            self._has_work = "Queued" in self._answers[-1].values()
            self._asked_at = time.monotonic()

    def _start_workers(self) -> None:
        self._has_work = False
        self._asked_at = time.monotonic()
        with (self._root / _LOG).open("ab") as log:  # a pipe would be open until the last worker ends
            subprocess.run(
                ["dvc", "queue", "start", "--jobs", str(self._jobs)],
                cwd=self._root,
                stdout=log,
                stderr=log,
                check=False,
            )
