"""DVC's queue of experiments: filled without losing params.yaml, worked on, stopped, and gone on with."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mnist_vae.stage import StageError
from presets import Preset, find_result

_HOLDER = Path(".dvc") / "tmp" / "queue-holder.lock"
COPY_OF_PARAMS = Path(".dvc") / "tmp" / "params-before-queueing.yaml"


def run_missing(presets: Sequence[Preset], jobs: int, command: str, root: Path) -> None:
    """Queue the presets without a result and work on the queue, for `make COMMAND`. Raises StageError if some are
    without one after it.
    """
    missing = [preset for preset in presets if find_result(preset, root) is None]
    if not missing:
        return
    print(f"{command}: {len(missing)} of {len(presets)} experiments are to be run; Ctrl-C stops them", flush=True)
    try:
        queue(missing, root)
        subprocess.run(["dvc", "exp", "run", "--run-all", "--jobs", str(jobs)], cwd=root, check=False)
    except KeyboardInterrupt:
        stop_queue(root)
        restore_params(root)
        raise StageError(f"stopped; what is finished stays, and `make {command}` goes on from there") from None
    if failed := [preset.name for preset in missing if find_result(preset, root) is None]:
        raise StageError(f"no result of {', '.join(failed)}: see `dvc queue logs {failed[0]}`, then start it again")


def parse_jobs(jobs: str) -> int:
    """How many experiments are to run at a time. Raises StageError for what is no such number."""
    if not jobs.isdecimal() or int(jobs) < 1:
        raise StageError(f"JOBS is {jobs!r}, but must be a whole number of at least 1")
    return int(jobs)


@contextmanager
def hold_queue(root: Path) -> Iterator[None]:
    """Be the only one to fill the queue: its tasks have names, and params.yaml is changed while one is queued.

    Raises StageError if another process does.
    """
    place = root / _HOLDER
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise StageError("another `make compare`, `make sweep` or `make search` works here: wait for it") from None
    try:
        restore_params(root)
        yield
    finally:
        lock.release()


def restore_params(root: Path) -> None:
    """Bring params.yaml back if queueing was broken off: DVC puts each experiment's parameters there for a while."""
    if (root / COPY_OF_PARAMS).exists():
        (root / COPY_OF_PARAMS).replace(root / "params.yaml")
        print("params.yaml is as it was before queueing was broken off")


def queue(presets: Sequence[Preset], root: Path) -> None:
    """Queue experiments, but for those that run, in place of former ones of their names. Raises StageError if DVC does
    not take one.
    """
    end_dead_tasks(root)
    running = names_in_queue("Running", root)
    copy = root / COPY_OF_PARAMS
    unfinished = copy.with_suffix(".unfinished")
    unfinished.write_bytes((root / "params.yaml").read_bytes())
    unfinished.replace(copy)
    for preset in presets:
        if preset.name not in running:
            # Under its name there may be one of other parameters, or one that broke off.
            _dvc(root, "queue", "remove", preset.name)
            _dvc(root, "exp", "remove", preset.name)
            if subprocess.run([*preset.command(), "--queue"], cwd=root, check=False).returncode:
                raise StageError(f"{preset.name} could not be queued: see DVC's message above")
    copy.unlink()


def stop_queue(root: Path) -> None:
    """Stop the workers and what they run."""
    # The queue's workers outlive Ctrl-C. First they are told to take no other task, so that none begins when the
    # running one is interrupted. `dvc queue stop --kill` would leave that one's stage running.
    _dvc(root, "queue", "stop")
    for name in names_in_queue("Running", root):
        _dvc(root, "queue", "kill", name)


def end_dead_tasks(root: Path) -> None:
    """End the tasks that no worker works on."""
    # After a power cut a task stays "Running" for ever, and DVC would wait for it.
    if "0 active" in _dvc(root, "queue", "status"):
        for name in names_in_queue("Running", root):
            _dvc(root, "queue", "kill", name)


def names_in_queue(status: str, root: Path) -> set[str]:
    """The names of the experiments in the queue that have that status: Queued, Running, Success or Failed."""
    lines = [line.split() for line in _dvc(root, "queue", "status").splitlines()]
    return {name for line in lines for name in line[1:2] if status in line}


def _dvc(root: Path, *arguments: str) -> str:
    return subprocess.run(["dvc", *arguments], cwd=root, capture_output=True, text=True, check=False).stdout
