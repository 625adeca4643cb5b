"""DVC's experiments: running one in a copy of the repository, and reading what Git holds of it."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import command  # noqa: F401 (it puts the package on the path)

from filelock import FileLock

from mnist_vae.common import paths
from mnist_vae.common.atomic import write_whole
from mnist_vae.common.yaml12 import parse_yaml
from mnist_vae.console.stage import UserError

_LOGS = Path(".dvc/tmp/experiments")
_KEPT = Path(".dvc/tmp/params-before-experiment.yaml")
_BEGUN = "Reproducing experiment"  # DVC prints it once params.yaml is as it was


class Experiment(NamedTuple):
    """A finished experiment: its commit, the parameters it ran with, its model's md5 sum, its code's paths."""

    commit: str
    params: dict
    model_md5: str
    code: list[str]

    def has_todays_code(self, root: Path) -> bool:
        """Whether the stages' code is the same in the working copy. Raises UserError if Git fails."""
        diff = ["git", "diff", "--quiet", self.commit, "--", *self.code]
        code = subprocess.run(diff, cwd=root, capture_output=True, check=False).returncode
        if code not in {0, 1}:
            raise UserError(f"git diff exited with {code}: is {root} a Git repository?")
        return code == 0

    def read(self, path: Path, root: Path) -> str:
        """A text file of its commit."""
        return git(root, "show", f"{self.commit}:./{path}")


class Running(NamedTuple):
    """An experiment that DVC runs in a copy of the repository; its output goes to the log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    reference: str
    root: Path

    def wait(self) -> None:
        """Wait until it ends. Raises UserError if it failed, or if DVC kept nothing of it."""
        if self.process.wait():
            before, _, after = self.log.read_text(errors="replace").strip().partition("ERROR: ")
            *_, told = [
                *after.splitlines()[:1],
                *before.splitlines(),
            ]  # the stage's last line stands before DVC's errors
            raise UserError(f"{self.name} failed ({told.strip()}): see {self.log}")
        if not git(self.root, "for-each-ref", self.reference):
            raise UserError(f"DVC kept nothing of {self.name}: see {self.log}")

    def stop(self) -> None:
        """End it as Ctrl-C does, if it runs: its training's checkpoint stays, and params.yaml is not its own."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGINT)
            self.process.wait()


def git(root: Path, *arguments: str) -> str:
    """What a Git command prints. Raises UserError if it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    except OSError as error:
        raise UserError(f"git cannot be run: {error}") from None
    if done.returncode:
        complaint = " ".join(done.stderr.decode(errors="replace").split())
        raise UserError(f"git {arguments[0]} failed: {complaint}")
    return done.stdout.decode(errors="surrogateescape").rstrip("\n")


class CommittedFiles:
    """The files of a commit, those that DVC keeps included. Raises what DVC's storage does."""

    def __init__(self, root: Path, commit: str):
        from dvc.api import DVCFileSystem  # takes a second to import

        # Its paths begin at Git's top, of which the project may be a part.
        self._place = git(root, "rev-parse", "--show-prefix")
        self._files = DVCFileSystem(str(root), rev=commit, subrepos=True)

    def has(self, path: Path) -> bool:
        """Whether the commit has the file."""
        return self._files.exists(f"{self._place}{path}")

    def copy(self, path: Path, target: Path) -> None:
        """Copy a file, or a folder with all that is in it."""
        target.parent.mkdir(parents=True, exist_ok=True)
        self._files.get(f"{self._place}{path}", str(target), recursive=True)


def experiment_commits(root: Path) -> dict[str, str]:
    """The commit of each experiment of the repository, by its name."""
    refs = git(root, "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines()
    pairs = [ref.partition(" ") for ref in refs]
    # refs/exps/12/3456.../name; others are DVC's own
    return {name.split("/")[-1]: commit for commit, _, name in pairs if len(name.split("/")) == 5}


def stages_of(root: Path, commit: str) -> dict:
    """The stages of a commit's dvc.lock, by their names; none if it has no such file."""
    if not git(root, "ls-tree", commit, "dvc.lock"):
        return {}
    lock = parse_yaml(git(root, "show", f"{commit}:./dvc.lock"), f"dvc.lock of {commit}")
    return lock.get("stages", {}) if isinstance(lock, dict) else {}


def find_experiment(name: str, root: Path) -> Experiment | None:
    """The experiment of that name on the commit that is checked out, if it has run to the pipeline's end."""
    commit = git(root, "for-each-ref", "--format=%(objectname)", _reference(name, root))
    stages = stages_of(root, commit) if commit else {}
    if "render" not in stages:
        return None
    groups = [stage.get("params", {}).get(str(paths.PARAMS), {}) for stage in stages.values()]
    outs = {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}
    deps = {dep["path"] for stage in stages.values() for dep in stage["deps"]}
    params = {key: value for group in groups for key, value in group.items()}
    return Experiment(commit, params, outs[str(paths.MODEL)], sorted(deps - outs.keys()))


def model_md5(commit: str, root: Path) -> str:
    """The md5 sum of a commit's model, "" if it has none."""
    outs = {out["path"]: out["md5"] for out in stages_of(root, commit).get("train", {"outs": []})["outs"]}
    return outs.get(str(paths.MODEL), "")


def require_whole_clone(root: Path) -> None:
    """Raise UserError for a shallow clone, in which DVC ends well and keeps nothing."""
    if git(root, "rev-parse", "--is-shallow-repository") == "true":
        raise UserError("this clone is shallow, and DVC keeps no experiment in one: git fetch --unshallow")


def start_experiment(name: str, settings: Sequence[str], root: Path) -> Running:
    """Begin the pipeline with settings KEY=VALUE as an experiment, in place of one of its name on the same commit."""
    log = root / _LOGS / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    run = ["dvc", "exp", "run", "--temp", "--name", name, *(part for setting in settings for part in ("-S", setting))]
    reference = _reference(name, root)
    with _keep_params(root), log.open("wb") as output:
        # Not by `dvc exp remove`, which takes an older commit's, too, nor by --force, which trains again what the run
        # cache holds.
        git(root, "update-ref", "-d", reference)
        process = subprocess.Popen(
            run, cwd=root, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        running = Running(name, process, log, reference, root)
        try:
            while process.poll() is None and _BEGUN not in log.read_text(errors="replace"):
                time.sleep(0.05)
        except KeyboardInterrupt:
            running.stop()
            raise
    return running


@contextmanager
def _keep_params(root: Path) -> Iterator[None]:
    """Let nobody else begin an experiment, and bring params.yaml back: DVC puts the experiment's there for a moment."""
    kept, params = root / _KEPT, root / paths.PARAMS
    with FileLock(kept.with_suffix(".lock")):
        if kept.exists():
            kept.replace(params)
            print("params.yaml is as it was before a process was killed that began an experiment")
        content = params.read_bytes()
        write_whole(content, kept)
        try:
            yield
        finally:
            if params.exists() and params.read_bytes() == content:
                kept.unlink()
            else:
                kept.replace(params)


def _reference(name: str, root: Path) -> str:
    head = git(root, "rev-parse", "HEAD")
    return f"refs/exps/{head[:2]}/{head[2:]}/{name}"
