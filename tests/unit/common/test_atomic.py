import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_vae.common import atomic
from mnist_vae.common.atomic import file_md5, write_whole
from mnist_vae.console.stage import UserError
from stage_process import can_mount


def test_content_takes_the_place_of_the_former_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    write_whole(b"first", path)
    write_whole(b"second", path)
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_writer_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "file.unfinished").write_bytes(b"half of someth")
    write_whole(b"whole", tmp_path / "file")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"whole"]


# With no file size left, writing fails as it does on a full disk, only under another name.
FULL = """
import resource, signal, sys
from pathlib import Path
from mnist_vae.console.stage import UserError
from mnist_vae.common.atomic import write_whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_whole(bytes(2000), Path(sys.argv[1]))
except UserError as error:
    print(error)
"""


def test_full_disk_gets_one_line_and_leaves_the_former_content_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(b"former", path)
    environment = os.environ | {"PYTHONPATH": str(Path(str(atomic.__file__)).parents[2])}
    command = [sys.executable, "-c", FULL, str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{path} cannot be written (File too large): mend that and start again\n"
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
    environment = os.environ | {"PYTHONPATH": str(Path(str(atomic.__file__)).parents[2])}
    command = ["unshare", "-m", "sh", "-ec", "; ".join(commands)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    full = "file cannot be written (No space left on device): mend that and start again"
    assert done.stdout.splitlines() == [full, "file", "former"]


@pytest.mark.parametrize("place", ["file/below", "folder"])
def test_place_that_cannot_be_written_gets_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=rf"^{tmp_path / place} cannot be written \(.*\): mend that and start again$"):
        write_whole(b"content", tmp_path / place)
    assert (tmp_path / "file").read_bytes() == b"x"
    assert not list(tmp_path.glob("*.unfinished"))


# It writes two contents in turn, as fast as it can.
WRITER = """
import sys
from pathlib import Path
from mnist_vae.common.atomic import write_whole
print("ready", flush=True)
while True:
    for byte in (b"a", b"b"):
        write_whole(byte * 3_000_000, Path(sys.argv[1]))
"""


def test_killed_writer_leaves_one_content_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    environment = os.environ | {"PYTHONPATH": str(Path(str(atomic.__file__)).parents[2])}
    for milliseconds in range(5):
        write_whole(b"a" * 3_000_000, path)
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


def test_md5_is_that_of_the_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    assert file_md5(tmp_path / "file") == hashlib.md5(content).hexdigest()
