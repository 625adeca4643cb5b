"""No file can make the project run code, and nothing of it listens to other machines."""

import ast
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from places import REPOSITORY
from working_copy import WorkingCopy

SOURCES = sorted(
    path for name in ("src", "stages", "tools", "benchmarks") for path in (REPOSITORY / name).rglob("*.py")
)
# What reads pickles, or runs what a file or a text says.
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "code"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "torch.load", "np.load", "numpy.load", "os.system", "pd.read_pickle"}
LISTENERS = re.compile(r"mlflow (?:ui|server|models serve)\b[^\n`]*")


def _dangers(source: str) -> list[str]:
    """The forbidden names that a module imports or calls."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name.split(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in FORBIDDEN_MODULES:
            found.append(str(node.module))
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            unsafe_yaml = name == "yaml.load" and not any(ast.unparse(one) == "_Loader" for one in node.args)
            shell = any(one.arg in {"shell", "allow_pickle"} for one in node.keywords)
            found += [name] * (name in FORBIDDEN_CALLS or unsafe_yaml or shell)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(REPOSITORY)) for path in SOURCES])
def test_module_neither_unpickles_nor_runs_text(path: Path) -> None:
    assert _dangers(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "x = torch.load('m.pt')",
        "np.load('a.npy')",
        "eval('1')",
        "yaml.load(text, Loader)",
        "subprocess.run('ls', shell=True)",
        "f(allow_pickle=True)",
    ],
)
def test_dangerous_code_is_detected(source: str) -> None:
    assert _dangers(source)


def _texts() -> dict[str, str]:
    names = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    paths = [REPOSITORY / name for name in names.splitlines() if not name.startswith("tests/")]
    kinds = {".py", ".md", ".sh", ".yaml", ".toml", ""}
    return {str(path): path.read_text() for path in paths if path.suffix in kinds and path.is_file()}


def test_commands_in_all_texts_listen_on_this_machine_only() -> None:
    texts = _texts()
    commands = [found for text in texts.values() for found in LISTENERS.findall(text)]
    assert len(commands) >= 2
    for command in commands:
        # Without an option MLflow listens on 127.0.0.1.
        host = re.search(r"--host[ =](\S+)", command)
        assert host is None or host[1] == "127.0.0.1", command
    assert [name for name, text in texts.items() if "0.0.0.0" in text] == []


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/net/tcp is Linux's")
def test_make_ui_listens_on_this_machine_only(clone: WorkingCopy) -> None:
    clone.use_real_interpreters()
    clone.give_environment()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # What a person may have set for servers of their own does not matter.
    server = clone.start("make", "ui", f"PORT={port}", MLFLOW_HOST="0.0.0.0")
    try:
        places = _listening(server.pid, port)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.communicate(timeout=30)
    assert places == {"0100007F"}  # 127.0.0.1


def _listening(group: int, port: int) -> set[str]:
    """The addresses, as Linux shows them, on which the processes of a group listen once they do on the port."""
    for _ in range(600):
        places: dict[int, str] = {}
        for kind in ("tcp", "tcp6"):
            for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
                _, local, _, state, *_ = line.split()
                if state == "0A" and line.split()[9] in _sockets_of(group):
                    places[int(local.split(":")[1], 16)] = local.split(":")[0]
        if port in places:
            return set(places.values())
        time.sleep(0.1)
    raise AssertionError("the server did not begin to listen")


def _sockets_of(group: int) -> set[str]:
    """The inodes of the sockets that the processes of a group hold."""
    inodes = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) == group:
                links = [str(link.readlink()) for link in (process / "fd").iterdir()]
                inodes |= {link[8:-1] for link in links if link.startswith("socket:[")}
        except OSError:  # it ended meanwhile
            continue
    return inodes
