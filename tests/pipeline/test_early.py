"""An interrupt during the imports, and a module that is not there, end every command in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from places import REPOSITORY

COMMANDS = sorted(
    str(path.relative_to(REPOSITORY))
    for folder in ("stages", "tools")
    for path in (REPOSITORY / folder).glob("*.py")
    if '__name__ == "__main__"' in path.read_text()
)
SLOW = ("dvc", "filelock", "mlflow", "numpy", "optuna", "pydantic", "yaml")


@pytest.mark.parametrize("command", COMMANDS)
def test_interrupt_while_it_imports_ends_in_one_line(tmp_path: Path, command: str) -> None:
    for name in SLOW:  # which come before the real ones
        (tmp_path / f"{name}.py").write_text("raise KeyboardInterrupt")
    variables = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY / 'src'}"}
    done = subprocess.run(
        [sys.executable, command, "--help"], cwd=REPOSITORY, env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:  # it imports nothing slow before it says what it does
        assert done.stdout.startswith("usage: ")
    else:
        assert done.stderr == f"{Path(command).stem}: stopped by SIGINT\n"


@pytest.mark.parametrize("command", ["stages/train.py", "tools/compare.py"])
def test_interpreter_without_the_projects_environment_is_named(command: str) -> None:
    without_packages = [sys.executable, "-S", command]
    variables = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run(without_packages, cwd=REPOSITORY, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"is not installed for {sys.executable}: make setup, then . .venv/bin/activate" in done.stderr


def test_there_are_the_stages_and_some_tools() -> None:
    assert len([command for command in COMMANDS if command.startswith("stages/")]) == 6
    assert {"tools/compare.py", "tools/search.py", "tools/sync.py"} <= set(COMMANDS)
