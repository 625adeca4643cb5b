import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import mnist_vae
from mnist_vae.console.stage import UserError, machine_complaint, repository_root

PACKAGE = Path(str(mnist_vae.__file__)).parent
# Where SIGINT is ignored, as in background jobs of scripts, Python would leave it so.
HEAD = """
import signal, sys, time
from pathlib import Path
from mnist_vae.console.stage import UserError, repository_root, run_stage
signal.signal(signal.SIGINT, signal.default_int_handler)
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts a stage with the given main in a folder that has the package's code, unless `code` names another."""

    def start(main: str, *arguments: str, code: str = "src") -> subprocess.Popen[str]:
        copy = tmp_path / "src" / "mnist_vae"
        (copy / "console").mkdir(parents=True)
        (tmp_path / ".dvc").mkdir()
        for name in ("__init__.py", "console/__init__.py", "console/early.py", "console/stage.py"):
            shutil.copy2(PACKAGE / name, copy / name)
        (tmp_path / "sample.py").write_text(f"{HEAD}\n{main}\nrun_stage(main)\n")
        return subprocess.Popen(
            [sys.executable, "sample.py", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": code},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def _end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    printed, complaint = process.communicate(timeout=60)
    return process.returncode, printed, complaint


def test_user_error_prints_one_line_and_exits_with_1(start: Start) -> None:
    main = "def main() -> None: raise UserError('no such thing: get one')"
    assert _end(start(main)) == (1, "", "sample: no such thing: get one\n")


def test_unforeseen_failure_keeps_its_traceback(start: Start) -> None:
    code, _, complaint = _end(start("def main() -> None: {}['missing key']"))
    assert code == 1
    assert complaint.startswith("Traceback")
    assert "KeyError: 'missing key'" in complaint


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("OSError(28, 'No space left on device', 'a/b')", "a/b cannot be used (No space left on device): fix that"),
        ("PermissionError(13, 'Permission denied', 'c')", "c cannot be used (Permission denied): fix that"),
        ("MemoryError()", "too little memory: lower the sizes in params.yaml"),
    ],
)
def test_system_error_prints_one_line_and_exits_with_1(start: Start, error: str, line: str) -> None:
    code, _, complaint = _end(start(f"def main() -> None: raise {error}"))
    assert code == 1
    assert complaint.startswith(f"sample: {line}")
    assert complaint.count("\n") == 1


@pytest.mark.parametrize(
    "error", ["OSError(2, 'No such file', 'a')", "RuntimeError('shapes differ')", "OSError('odd')"]
)
def test_other_errors_of_these_kinds_keep_their_traceback(start: Start, error: str) -> None:
    code, _, complaint = _end(start(f"def main() -> None: raise {error}"))
    assert code == 1
    assert complaint.startswith("Traceback")


def test_torchs_own_words_for_too_little_memory_are_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert machine_complaint(caught.value) == (
        "too little memory: lower batch_size or the model's sizes in params.yaml"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_in_one_line_and_its_code_after_cleaning_up(start: Start, number: signal.Signals) -> None:
    main = """
def main() -> None:
    try:
        print("ready", flush=True)
        for _ in range(6000):  # Python handles a signal that comes in the moment before a sleep only after it
            time.sleep(0.01)
    finally:
        print("cleaned up", flush=True)
"""
    process = start(main)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert _end(process) == (128 + number, "cleaned up\n", f"sample: stopped by {number.name}\n")


@pytest.mark.parametrize("line", ["print('x' * 100, flush=True)", "print('x')"])
def test_command_ends_silently_if_its_reader_closes_the_output(start: Start, line: str) -> None:
    main = f"""
def main() -> None:
    sys.stdin.readline()
    for _ in range(10):
        {line}
"""
    with start(main) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write("\n")
        process.stdin.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == 128 + signal.SIGPIPE


def test_closed_output_fails_nothing(start: Start, tmp_path: Path) -> None:
    _end(start("def main() -> None: print('said')"))
    environment = os.environ | {"PYTHONPATH": "src"}
    done = subprocess.run(f"{sys.executable} sample.py >&-", shell=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0


def test_name_that_is_no_text_of_the_locale_can_be_in_a_message(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LC_ALL", "C"), ("PYTHONUTF8", "0"), ("PYTHONCOERCECLOCALE", "0")):
        monkeypatch.setenv(name, value)
    main = "def main() -> None: print('caf\\xe9'); raise UserError('no caf\\xe9')"
    assert _end(start(main)) == (1, "caf\\xe9\n", "sample: no caf\\xe9\n")


def test_arguments_are_refused(start: Start) -> None:
    code, printed, complaint = _end(start("def main() -> None: print('ran')", "data/prepared.safetensors"))
    assert (code, printed) == (1, "")
    assert complaint.startswith("sample: takes no arguments, but was given data/prepared.safetensors: ")


def test_code_from_elsewhere_is_refused(start: Start) -> None:
    code, printed, complaint = _end(start("def main() -> None: print('ran')", code=str(PACKAGE.parent)))
    assert (code, printed) == (1, "")
    assert complaint.startswith(f"sample: would run the code in {PACKAGE} instead of that in ")
    assert complaint.count("\n") == 1


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "repository" / ".dvc").mkdir(parents=True)
    (tmp_path / "repository" / "data" / "raw").mkdir(parents=True)
    return tmp_path / "repository"


@pytest.mark.parametrize("below", [".", "data", "data/raw"])
def test_root_is_found_from_every_folder_of_a_repository(repository: Path, below: str) -> None:
    assert repository_root(repository / below) == repository


def test_outside_of_a_repository_there_is_no_root(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not inside a DVC repository"):
        repository_root(tmp_path)


def test_queued_experiments_root_is_the_original_repository(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = repository / ".dvc" / "tmp" / "exps" / "tmp1"
    (copy / ".dvc").mkdir(parents=True)
    assert repository_root(copy) == copy
    monkeypatch.setenv("DVC_ROOT", str(repository))
    assert repository_root(copy) == repository


@pytest.mark.parametrize("stale", ["other", "gone", "repository/data"])
def test_dvc_root_of_another_place_is_ignored(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stale: str
) -> None:
    (tmp_path / "other" / ".dvc").mkdir(parents=True)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / stale))
    assert repository_root(repository / "data") == repository
