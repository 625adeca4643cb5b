"""DVC experiments: running one in a copy of the repository, and reading its files from Git."""

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
from mnist_vae.common.atomic import write_atomically
from mnist_vae.common.yaml12 import parse_yaml
from mnist_vae.console.stage import UserError

_LOGS = Path(".dvc/tmp/experiments")
_KEPT = Path(".dvc/tmp/params-before-experiment.yaml")
_INTERRUPT_AGAIN = 15  # seconds, in which a stage ends and logs that it was stopped
_BEGUN = "Reproducing experiment"  # DVC prints this after it has restored params.yaml


class Experiment(NamedTuple):
    """A finished experiment: its commit, its parameters, the md5 sum of its model, and the paths of its code."""

    commit: str
    params: dict
    model_md5: str
    code: list[str]

    def has_todays_code(self, root: Path) -> bool:
        """Whether the working copy has the same code for the stages. Raises UserError if Git fails."""
        diff = ["git", "diff", "--quiet", self.commit, "--", *self.code]
        code = subprocess.run(diff, cwd=root, capture_output=True, check=False).returncode
        if code not in {0, 1}:
            raise UserError(f"git diff exited with {code}: is {root} a Git repository?")
        return code == 0

    def read(self, path: Path, root: Path) -> str:
        """The content of a text file in the experiment's commit."""
        return git(root, "show", f"{self.commit}:./{path}")


class Running(NamedTuple):
    """An experiment that DVC is running in a copy of the repository. Its output goes to the log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    reference: str
    root: Path

    def wait(self) -> None:
        """Wait until it ends. Raises UserError if it failed, or if DVC saved no experiment."""
        if self.process.wait():
            before, _, after = self.log.read_text(errors="replace").strip().partition("ERROR: ")
            *_, told = [
                *after.splitlines()[:1],
                *before.splitlines(),
            ]  # the stage's last line comes before DVC's errors
            raise UserError(f"{self.name} failed ({told.strip()}): see {self.log}")
        if not git(self.root, "for-each-ref", self.reference):
            raise UserError(f"DVC kept no result of {self.name}: see {self.log}")

    def stop(self) -> None:
        """Interrupt it if it runs, as Ctrl-C does. Its checkpoint is kept, and so is the workspace's params.yaml."""
        while self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGINT)
            # DVC was seen to lose an interrupt near the start of a stage, and to run the stage to its end.
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_INTERRUPT_AGAIN)


def git(root: Path, *arguments: str) -> str:
    """The output of a Git command. Raises UserError if it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    except OSError as error:
        raise UserError(f"git cannot be run: {error}") from None
    if done.returncode:
        complaint = " ".join(done.stderr.decode(errors="replace").split())
        raise UserError(f"git {arguments[0]} failed: {complaint}")
    return done.stdout.decode(errors="surrogateescape").rstrip("\n")


class CommittedFiles:
    """The files of a commit, including those that DVC keeps. Raises what DVC's storage raises."""

    def __init__(self, root: Path, commit: str):
        from dvc.api import DVCFileSystem  # takes a second to import

        # DVC's paths are relative to the root of the Git repository, and the project may be a folder in it.
        self._place = git(root, "rev-parse", "--show-prefix")
        self._files = DVCFileSystem(str(root), rev=commit, subrepos=True)

    def has(self, path: Path) -> bool:
        """Whether the commit has the file."""
        return self._files.exists(f"{self._place}{path}")

    def copy(self, path: Path, target: Path) -> None:
        """Copy a file, or a folder with its content."""
        target.parent.mkdir(parents=True, exist_ok=True)
        self._files.get(f"{self._place}{path}", str(target), recursive=True)


def experiment_commits(root: Path) -> dict[str, str]:
    """The commit of each experiment of the repository, by its name."""
    refs = git(root, "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines()
    pairs = [ref.partition(" ") for ref in refs]
    # An experiment is refs/exps/12/3456.../name. Other references are DVC's own.
    return {name.split("/")[-1]: commit for commit, _, name in pairs if len(name.split("/")) == 5}


def stages_of(root: Path, commit: str) -> dict:
    """The stages in a commit's dvc.lock by name. Empty if the commit has no such file."""
    if not git(root, "ls-tree", commit, "dvc.lock"):
        return {}
    lock = parse_yaml(git(root, "show", f"{commit}:./dvc.lock"), f"dvc.lock of {commit}")
    return lock.get("stages", {}) if isinstance(lock, dict) else {}


def find_experiment(name: str, root: Path) -> Experiment | None:
    """The experiment of that name on the checked-out commit, if it has run the whole pipeline."""
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
    """The md5 sum of a commit's model, "" if it has no model."""
    outs = {out["path"]: out["md5"] for out in stages_of(root, commit).get("train", {"outs": []})["outs"]}
    return outs.get(str(paths.MODEL), "")


def require_whole_clone(root: Path) -> None:
    """Raise UserError for a shallow clone, in which DVC reports success but saves no experiment."""
    if git(root, "rev-parse", "--is-shallow-repository") == "true":
        raise UserError("this clone is shallow, and DVC cannot keep experiments in it: type git fetch --unshallow")


def start_experiment(name: str, settings: Sequence[str], root: Path) -> Running:
    """Start the pipeline as an experiment with settings KEY=VALUE. It replaces one of that name on the same commit."""
    log = root / _LOGS / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    run = ["dvc", "exp", "run", "--temp", "--name", name, *(part for setting in settings for part in ("-S", setting))]
    reference = _reference(name, root)
    with _keep_params(root), log.open("wb") as output:
        # `dvc exp remove` would also remove experiments of that name on older commits, and --force would train again
        # although the run cache has the result.
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
    """Keep other processes from starting an experiment, and restore params.yaml.

    DVC replaces it by the experiment's for a moment.
    """
    kept, params = root / _KEPT, root / paths.PARAMS
    with FileLock(kept.with_suffix(".lock")):
        if kept.exists():
            kept.replace(params)
            print("params.yaml is restored: an experiment that changed it was killed")
        content = params.read_bytes()
        write_atomically(content, kept)
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
