"""Where a run comes from: the Git commit, the DVC experiment, the machine, and what was not committed."""

import os
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

# Files that the pipeline itself writes do not make a working tree dirty.
_OUTPUTS = (":(exclude)dvc.lock", ":(exclude)reports")
_SECRETS = (":(exclude).dvc/config", ":(exclude,glob)**/.env*")  # files that may contain passwords
_WHAT = (".", *_OUTPUTS, *_SECRETS)
_LARGEST_UNTRACKED = 1 << 20  # bytes; the diff leaves out larger untracked files
# With these options `git apply` accepts the diff, whatever the user's settings are.
_PLAIN = (
    *("--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/"),
    *("--no-relative", "--submodule=short", "--no-renames", "--unified=3"),
)


class Provenance(NamedTuple):
    """The Git commit, whether files differ from it, the DVC experiment, the commit that it started from, and the host.

    The two fields of the experiment are "" outside an experiment.
    """

    git_commit: str
    git_dirty: str
    dvc_experiment: str
    dvc_baseline: str
    host: str

    def tags(self) -> dict[str, str]:
        """The tags of a run, without empty ones."""
        tags = self._asdict()
        if self.dvc_experiment:
            tags["dvc_apply"] = f"dvc exp apply {self.dvc_experiment}"
        return {name: value for name, value in tags.items() if value}


def find_provenance(working_copy: Path) -> Provenance:
    """The provenance of a run in a working copy. A queued experiment has a working copy of its own."""
    changed = _git(working_copy, "status", "--porcelain", "--", ".", *_OUTPUTS)
    commit = _git(working_copy, "rev-parse", "HEAD")
    return Provenance(
        git_commit="unknown" if commit is None else commit.decode().strip(),
        git_dirty="unknown" if changed is None else str(bool(changed)).lower(),
        dvc_experiment=os.environ.get("DVC_EXP_NAME", ""),
        dvc_baseline=os.environ.get("DVC_EXP_BASELINE_REV", ""),
        host=platform.node(),
    )


class Uncommitted(NamedTuple):
    """A diff for `git apply` that turns the commit into the working copy, and the untracked files too large for it.

    The diff is None if Git failed.
    """

    diff: bytes | None
    left_out: list[str]


def uncommitted_diff(working_copy: Path) -> Uncommitted:
    """The uncommitted changes, including untracked files.

    The files that the pipeline writes, DVC's configuration, .env files and the files that Git ignores are left out
    without a message.
    """
    untracked = _git(working_copy, "ls-files", "--others", "--exclude-standard", "-z", "--", *_WHAT)
    names = [os.fsdecode(name) for name in (untracked or b"").split(b"\0") if name]
    small = [name for name in names if _is_small(working_copy / name)]
    left_out = sorted(name for name in set(names) - set(small) if (working_copy / name).is_file())
    with tempfile.TemporaryDirectory() as folder:
        # A temporary index, in which untracked files are marked as intended to be added.
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        listed = Path(folder) / "small"
        listed.write_bytes(b"\0".join(map(os.fsencode, small)))
        from_file = ("--pathspec-file-nul", f"--pathspec-from-file={listed}")
        add = ("--literal-pathspecs", "add", "--intent-to-add", "--force", *from_file)
        steps = (("read-tree", "HEAD"), *([add] if small else []))
        if untracked is None or any(_git(working_copy, *step, **index) is None for step in steps):
            return Uncommitted(None, left_out)
        return Uncommitted(_git(working_copy, "diff", *_PLAIN, "HEAD", "--", *_WHAT, **index), left_out)


def experiment_diff(repository: Path, commit: str) -> bytes | None:
    """The diff from a DVC experiment's parent commit to the experiment's commit; None if Git failed."""
    return _git(repository, "diff", *_PLAIN, f"{commit}^", commit, "--", *_WHAT)


def _is_small(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= _LARGEST_UNTRACKED


def _git(working_copy: Path, *arguments: str, **environment: str) -> bytes | None:
    """The output of a Git command; None if it fails or hangs. It does not change the user's index."""
    variables = os.environ | {"GIT_OPTIONAL_LOCKS": "0"} | environment
    command = ["git", "-c", "core.fsmonitor=false", "-c", "diff.orderFile=/dev/null", *arguments]
    try:
        done = subprocess.run(command, cwd=working_copy, env=variables, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):  # Git may not be installed
        return None
    return done.stdout if done.returncode == 0 else None
