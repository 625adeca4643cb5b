"""tools/setup.sh in a folder of its own: what it says when it cannot do its work."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from places import REPOSITORY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the script and the lock, whose path has a space in it."""
    folder = tmp_path / "a clone"
    (folder / "tools").mkdir(parents=True)
    shutil.copy2(REPOSITORY / "tools" / "setup.sh", folder / "tools")
    shutil.copy2(REPOSITORY / "requirements.txt", folder)
    return folder


def set_up(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script with no uv on the PATH and no package index to be reached."""
    base = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "PYTHON": sys.executable,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "UV_INDEX_URL": "http://127.0.0.1:9/simple",
        "UV_HTTP_RETRIES": "0",
    }
    command = ["sh", str(folder / "tools" / "setup.sh")]
    done = subprocess.run(command, env=base | environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in {0, 1}
    return done


def stand_in(folder: Path, name: str, script: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_too_old_python_gets_one_line(folder: Path) -> None:
    old = stand_in(folder, "python3.9", 'case $1 in --version) echo "Python 3.9.2" ;; *) exit 1 ;; esac')
    done = set_up(folder, PYTHON=old)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "Python 3.9.2 is too old: 3.11 or newer is needed" in line
    assert not (folder / ".venv").exists()


def test_missing_python_gets_one_line(folder: Path) -> None:
    done = set_up(folder, PYTHON="python3.99")
    (line,) = done.stderr.splitlines()
    assert (done.returncode, "python3.99 is not installed" in line) == (1, True)


def test_python_without_venv_gets_one_line_that_says_what_to_install(folder: Path) -> None:
    bare = stand_in(folder, "python3", 'case $1 in -c) exit 0 ;; *) echo "No module named venv" >&2; exit 1 ;; esac')
    done = set_up(folder, PYTHON=bare)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, "apt install python3-venv" in line) == (1, True)


def test_no_network_on_the_first_set_up_gets_one_line(folder: Path) -> None:
    done = set_up(folder, PIP_FIND_LINKS="")
    (line,) = done.stderr.splitlines()
    assert (done.returncode, "is there a network?" in line) == (1, True)
    assert not (folder / ".venv" / "installed").exists()


def test_unreachable_package_index_prints_one_line(folder: Path) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert uv is not None
    (folder / "uv").symlink_to(uv)
    done = set_up(folder, PATH=f"{folder}:/usr/bin:/bin", UV_CACHE_DIR=str(folder / "cache"))
    (line,) = done.stderr.splitlines()
    assert (done.returncode, "is there a network?" in line) == (1, True)


def test_set_up_is_skipped_when_nothing_changed(folder: Path) -> None:
    (folder / ".venv" / "bin").mkdir(parents=True)
    stand_in(folder / ".venv" / "bin", "python", "exit 99")
    (folder / ".venv" / "installed").write_text(f"{folder}\n{(folder / 'requirements.txt').read_text()}")
    done = set_up(folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_lock_has_every_pinned_dependency_with_hashes_and_no_address() -> None:
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lock = (REPOSITORY / "requirements.txt").read_text()
    extra = r"\[[a-z]+\]"
    for pinned in project["dependencies"] + project["optional-dependencies"]["dev"]:
        assert f"\n{re.sub(extra, '', pinned).lower()} " in re.sub(extra, "", lock), pinned
    assert "://" not in lock
    entries = [line for line in lock.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    assert lock.count("--hash=sha256:") >= len(entries)
