"""What the package does in processes of its own: full disks, kills, other instructions, other hash seeds."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from builders import tiny_model, tiny_origin
from interpreters import Interpreters
from mnist_vae.common.atomic import write_atomically
from mnist_vae.model.file import save_model
from places import REPOSITORY, SUPPORT
from stage_process import can_mount
from stage_runs import TIMED_STAGE, read_costs
from working_copy import WorkingCopy

SOURCE = os.fspath(REPOSITORY / "src")


# With no file size left, writing fails as it does on a full disk, only under another name.
FULL = """
import resource, signal, sys
from pathlib import Path
from mnist_vae.console.stage import UserError
from mnist_vae.common.atomic import write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(bytes(2000), Path(sys.argv[1]))
except UserError as error:
    print(error)
"""


def test_full_disk_gets_one_line_and_leaves_the_former_content_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(b"former", path)
    environment = os.environ | {"PYTHONPATH": SOURCE}
    command = [sys.executable, "-c", FULL, str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{path} cannot be written (File too large): fix that and start again\n"
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"former"]


@pytest.mark.skipif(not can_mount(), reason="nobody here may mount a small disk")
def test_really_full_disk_gets_one_line_and_leaves_the_former_content_alone(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    code = FULL.replace("resource.setrlimit", "_ = ").replace("bytes(2000)", "bytes(2_000_000)")
    (tmp_path / "script.py").write_text(code)
    commands = [
        f"mount -t tmpfs -o size=64k tmpfs {tmp_path / 'disk'}",
        f"cd {tmp_path / 'disk'}",
        "printf former > file",
        f"{sys.executable} {tmp_path / 'script.py'} file",
        "ls",
        "cat file",
    ]
    environment = os.environ | {"PYTHONPATH": SOURCE}
    command = ["unshare", "-m", "sh", "-ec", "; ".join(commands)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    full = "file cannot be written (No space left on device): fix that and start again"
    assert done.stdout.splitlines() == [full, "file", "former"]


# It writes two contents in turn, as fast as it can.
WRITER = """
import sys
from pathlib import Path
from mnist_vae.common.atomic import write_atomically
print("ready", flush=True)
while True:
    for byte in (b"a", b"b"):
        write_atomically(byte * 3_000_000, Path(sys.argv[1]))
"""


def test_killed_writer_leaves_one_content_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    environment = os.environ | {"PYTHONPATH": SOURCE}
    for milliseconds in range(5):
        write_atomically(b"a" * 3_000_000, path)
        command = [sys.executable, "-c", WRITER, str(path)]
        writer = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(0.02 + milliseconds / 300)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        content = path.read_bytes()
        assert content in (b"a" * 3_000_000, b"b" * 3_000_000)


def test_another_process_saves_the_same_bytes(tmp_path: Path) -> None:
    code = "import sys, pathlib; from builders import *; from mnist_vae.model.file import save_model; "
    code += "save_model(tiny_model(), tiny_origin(), pathlib.Path(sys.argv[1]))"
    environment = os.environ | {"PYTHONPATH": f"{SOURCE}{os.pathsep}{SUPPORT}", "PYTHONHASHSEED": "12345"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "other")], env=environment, check=True)
    save_model(tiny_model(), tiny_origin(), tmp_path / "model")
    assert (tmp_path / "other").read_bytes() == (tmp_path / "model").read_bytes()


def test_other_instructions_are_another_environment() -> None:
    code = "import torch; from mnist_vae.data import environment as e; print(e.find_environment(torch.device('cpu')))"
    variables = os.environ | {"PYTHONPATH": SOURCE, "ATEN_CPU_CAPABILITY": "default"}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.split(", ")[2] in {"DEFAULT", "NO AVX"}


def test_atomic_writes_and_imports_of_a_stage_are_counted_and_its_peak_memory(tmp_path: Path) -> None:
    script = "from mnist_vae.common.atomic import write_atomically\nfrom pathlib import Path\nimport colorsys\n"
    (tmp_path / "stage.py").write_text(f"{script}kept = b'x' * 50_000_000\nwrite_atomically(b'content', Path('out'))\n")
    costs = tmp_path / "costs"
    environment = os.environ | {"PYTHONPATH": SOURCE, "STAGE_COSTS": str(costs)}
    for _ in range(2):
        subprocess.run([sys.executable, TIMED_STAGE, "stage.py"], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "out").read_bytes() == b"content"
    cost, _ = read_costs(costs)
    assert cost.stage == "stage"
    assert cost.writing > 0
    assert cost.imports > 0
    assert cost.tracking == 0
    assert cost.seconds == pytest.approx(cost.imports + cost.writing + cost.compute)
    assert cost.peak_bytes > 50_000_000


def test_checking_parameters_does_not_import_torch() -> None:
    script = "import sys, mnist_vae.common.params; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, env={"PYTHONPATH": "src"}, check=False)
    assert done.returncode == 0


BOUND = """
import os
import torch
from mnist_vae.common.device import bound_threads, start_threads
torch.set_num_threads(len(os.sched_getaffinity(0)))
threads = start_threads()
with bound_threads(threads):
    print([sorted(os.sched_getaffinity(thread)) for thread in threads])
print([sorted(os.sched_getaffinity(thread)) for thread in threads])
"""
CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@pytest.mark.skipif(len(CPUS) < 2, reason="this machine has one CPU, or binds no threads")
def test_each_of_torchs_threads_gets_a_cpu_of_its_own(tmp_path: Path, interpreters: Interpreters) -> None:
    printed, _ = interpreters.start(BOUND, tmp_path).communicate()
    bound, free = map(ast.literal_eval, printed.splitlines())
    assert sorted(bound) == [[cpu] for cpu in CPUS]
    assert free == [CPUS] * len(CPUS)


@pytest.mark.skipif(len(CPUS) < 2, reason="this machine has one CPU, or binds no threads")
def test_training_binds_its_threads_and_what_follows_runs_on_any_cpu(reproduced: WorkingCopy, tmp_path: Path) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    copy.set_param("threads", len(CPUS))
    tell = 'print("CPUs:", len(__import__("os").sched_getaffinity(0)), flush=True)'
    for name, line in (
        ("src/mnist_vae/console/progress.py", "        row, _, images_per_second ="),  # at the end of an epoch
        ("stages/train.py", "        save_model("),  # after the last one
    ):
        code = (copy.folder / name).read_text()
        assert code.count(line) == 1
        (copy.folder / name).write_text(code.replace(line, f"        {tell}\n{line}"))
    printed = copy.succeed("python", "stages/train.py", PYTHONPATH="src").splitlines()
    epochs = copy.params()["epochs"]
    assert [line for line in printed if line.startswith("CPUs:")] == ["CPUs: 1"] * epochs + [f"CPUs: {len(CPUS)}"]


def test_garbage_is_collected_again_after_the_imports(tmp_path: Path, interpreters: Interpreters) -> None:
    code = "from mnist_vae.console.early import begin_imports, end_imports\nimport gc\n"
    code += "begin_imports(); print(gc.isenabled()); end_imports(); print(gc.isenabled())"
    printed, _ = interpreters.start(code, tmp_path).communicate()
    assert printed.split() == ["False", "True"]


@pytest.mark.parametrize(
    ("variables", "spins"),
    [({}, "30000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "passive"}, "None")],
    ids=["by default", "chosen", "other choice"],
)
def test_threads_wait_as_chosen_or_a_short_time(tmp_path: Path, variables: dict[str, str], spins: str) -> None:
    code = "from mnist_vae.console.early import begin_imports\nimport os\nbegin_imports()\n"
    code += "print(os.environ.get('GOMP_SPINCOUNT'))"
    environment = {"PYTHONPATH": SOURCE} | variables
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == spins
