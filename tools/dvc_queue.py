"""DVC's queue of experiments: filled without losing params.yaml, worked on, stopped, and gone on with."""

import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from experiments import experiment_commits
from mnist_vae.console.stage import UserError
from presets import Preset, find_result

_HOLDER = Path(".dvc") / "tmp" / "queue-holder.lock"
_STATES = ("Queued", "Running", "Success", "Failed")
_PATIENCE = 3  # times that the workers are asked
COPY_OF_PARAMS = Path(".dvc") / "tmp" / "params-before-queueing.yaml"


class QueueStatus(NamedTuple):
    """The state of each task by its experiment's name, and whether any worker has one."""

    tasks: dict[str, str]
    active: bool


def run_missing(presets: Sequence[Preset], jobs: int, command: str, root: Path) -> None:
    """Queue the presets without a result and work on the queue, for `make COMMAND`. Raises UserError if some are
    without one after it.
    """
    missing = [preset for preset in presets if find_result(preset, root) is None]
    if not missing:
        return
    print(f"{command}: {len(missing)} of {len(presets)} experiments are to be run; Ctrl-C stops them", flush=True)
    try:
        queue(missing, end_dead_tasks(root), root)
        subprocess.run(["dvc", "exp", "run", "--run-all", "--jobs", str(jobs)], cwd=root, check=False)
    except KeyboardInterrupt:
        stop_queue([preset.name for preset in missing], root)
        raise UserError(f"stopped; what is finished stays, and `make {command}` goes on from there") from None
    if failed := [preset.name for preset in missing if find_result(preset, root) is None]:
        raise UserError(f"no result of {', '.join(failed)}: see `dvc queue logs {failed[0]}`, then start it again")


def parse_count(name: str, text: str) -> int:
    """The number that a variable of `make` holds. Raises UserError if it is no whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{name} is {text!r}, but must be a whole number of at least 1")
    return int(text)


@contextmanager
def hold_queue(root: Path) -> Iterator[None]:
    """Be the only one to fill the queue: its tasks have names, and params.yaml is changed while one is queued.

    Raises UserError if another process does.
    """
    place = root / _HOLDER
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError("another `make compare`, `make sweep` or `make search` works here: wait for it") from None
    try:
        restore_params(root)
        yield
    finally:
        restore_params(root)
        lock.release()


def restore_params(root: Path) -> None:
    """Bring params.yaml back if queueing was broken off: DVC puts each experiment's parameters there for a while."""
    if (root / COPY_OF_PARAMS).exists():
        (root / COPY_OF_PARAMS).replace(root / "params.yaml")
        print("params.yaml is as it was before queueing was broken off")


def queue(presets: Sequence[Preset], there: dict[str, str], root: Path) -> None:
    """Queue experiments, but for those that run, in place of former ones of their names; `there` are the states of the
    tasks in the queue. Raises UserError if DVC does not take one.
    """
    finished = experiment_commits(root)
    copy = root / COPY_OF_PARAMS
    unfinished = copy.with_suffix(".unfinished")
    unfinished.write_bytes((root / "params.yaml").read_bytes())
    unfinished.replace(copy)
    for preset in presets:
        if there.get(preset.name) != "Running":
            # Under its name there may be one of other parameters, or one that broke off.
            if preset.name in there:
                _dvc(root, "queue", "remove", preset.name)
            if preset.name in finished:
                _dvc(root, "exp", "remove", preset.name)
            if subprocess.run([*preset.command(), "--queue"], cwd=root, check=False).returncode:
                raise UserError(f"{preset.name} could not be queued: see DVC's message above")
    copy.unlink()


def stop_queue(names: Sequence[str], root: Path) -> None:
    """Stop the workers, and of what they run those experiments."""
    # The queue's workers outlive Ctrl-C. First they are told to take no other task, so that none begins when the
    # running one is interrupted. `dvc queue stop --kill` would leave that one's stage running.
    _dvc(root, "queue", "stop")
    _kill_running(root, names)


def remove_queued(names: Sequence[str], root: Path) -> None:
    """Take those experiments out of the queue that were not begun."""
    tasks = queue_status(root).tasks
    if queued := [name for name in names if tasks.get(name) == "Queued"]:
        _dvc(root, "queue", "remove", *queued)


def end_dead_tasks(root: Path) -> dict[str, str]:
    """End the tasks that no worker works on, and return the states of all by their names."""
    # After a power cut a task stays "Running" for ever, and DVC would wait for it. A worker that is busy may not answer
    # at once.
    for _ in range(_PATIENCE):
        status = queue_status(root)
        if status.active or "Running" not in status.tasks.values():
            return status.tasks
        time.sleep(1)
    _kill_running(root, list(queue_status(root).tasks))
    return queue_status(root).tasks


def queue_status(root: Path) -> QueueStatus:
    """What DVC says of its queue."""
    *table, workers = _dvc(root, "queue", "status").splitlines() or [""]
    found = [line.split() for line in table]
    tasks = {words[1]: words[-1] for words in found if len(words) > 2 and words[-1] in _STATES}
    return QueueStatus(tasks, not re.search(r"\b0 active", workers))


def _kill_running(root: Path, names: Sequence[str]) -> None:
    for name, state in queue_status(root).tasks.items():
        if name in names and state == "Running":
            _dvc(root, "queue", "kill", name)


def _dvc(root: Path, *arguments: str) -> str:
    return subprocess.run(["dvc", *arguments], cwd=root, capture_output=True, text=True, check=False).stdout
