"""Copy the page of a commit or of an experiment out of DVC's cache. The experiment need not be in the workspace."""

import argparse
from pathlib import Path

from command import ROOT, run_command

from experiments import CommittedFiles, experiment_commits, git
from mnist_vae.common import paths
from mnist_vae.console.stage import UserError


def copy_page(name: str, target: Path, root: Path) -> None:
    """Copy the page of an experiment or a commit. Raises UserError if it has none, or DVC does not keep it here."""
    commit = git(
        root, "rev-parse", "--verify", "--end-of-options", f"{experiment_commits(root).get(name, name)}^{{commit}}"
    )
    files = CommittedFiles(root, commit)
    if not files.has(paths.REPORT):
        raise UserError(
            f"{name} has no {paths.REPORT}, because an older version of this project made it: repeat the run"
        )
    try:
        files.copy(paths.REPORT, target)
    except Exception as error:  # noqa: BLE001 (DVC's file systems raise what their storage does)
        raise UserError(
            f"the page of {name} is not in DVC's cache here ({' '.join(str(error).split())[:200]}):"
            " type dvc pull, or dvc exp pull for an experiment"
        ) from None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "run", metavar="RUN", nargs="?", default="HEAD", help="name of an experiment, or a commit (default: HEAD)"
    )
    parser.add_argument("--out", type=Path, default=Path("page.html"), help="file to write (default: page.html)")
    asked = parser.parse_args()
    copy_page(asked.run, asked.out, ROOT)
    print(f"page: {asked.out}")


if __name__ == "__main__":
    run_command(main)
