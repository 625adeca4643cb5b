"""A server that starts Python programs without the seconds that their imports take.

The server imports torch, MLflow, DVC and the drawing libraries once, and forks itself for each program. The program
then runs as in a new interpreter: with its own arguments, environment, folder, standard streams and search path. It
imports the project's code from its own PYTHONPATH, because the server has imported none of it.
"""

import atexit
import builtins
import ctypes
import gc
import importlib
import json
import os
import resource
import runpy
import selectors
import signal
import socket
import struct
import sys
import threading
import types
import weakref
from collections.abc import Mapping
from contextlib import suppress
from io import BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from typing import NoReturn, TextIO

import colorama
import psutil

from preloaded_client import HANDED_ON, USE_THE_REAL_ONE, Program

_LINES = Path(__file__).with_name("preloaded_modules.txt").read_text("utf-8").splitlines()
MODULES = [name for line in _LINES if not line.startswith("#") for name in line.split()]
# Prefixes of variables that are read when an interpreter starts or imports a library. A program with other values of
# them needs a real start.
_READ_AT_START = (
    "PYTHON",
    "LC_",
    "LANG",
    "OMP_",
    "GOMP_",
    "MKL_",
    "ATEN_",
    "ONEDNN_",
    "DNNL_",
    "OPENBLAS_",
    "MPL",
    "TORCH",
)
# A training sets the spins for its processes. They change its speed beside other programs, but no result.
_READ_LATER = {"PYTHONPATH", "PYTHONUNBUFFERED", "GOMP_SPINCOUNT"}
# Variables that torchrun sets for its processes. They need no real start: the server has the log level for all
# programs, and the stage sets its threads.
_OF_TORCHRUN = ("TORCHELASTIC_", "TORCH_CPP_LOG_LEVEL", "TORCH_NCCL_ASYNC_ERROR_HANDLING", "OMP_NUM_THREADS")


class _Server:
    """Forks a process for each requested program, and tells the client how the program ended.

    The server ends after the process `owner`.
    """

    def __init__(self, address: str, owner: int, settings: Mapping[str, str]):
        self._owner, self._own_settings = owner, settings
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen(64)
        self._wakened, self._waker = socket.socketpair()
        for end in (self._wakened, self._waker):
            end.settimeout(0)
        self._clients: dict[int, socket.socket] = {}
        self._starters: dict[int, int] = {}  # the process groups that asked for the programs
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wakened, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._waker.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler, the socket gets no byte

    def next_program(self) -> Program | None:
        """In a forked process, return the program to become. In the server, return None after the owner ends."""
        while psutil.pid_exists(self._owner):
            for key, _ in self._selector.select(timeout=1):
                if key.fileobj is self._listener:
                    if program := self._accept():
                        return program
                elif key.fileobj is self._wakened:
                    self._wakened.recv(4096)
                    self._tell_ended()
                else:
                    self._kill_program_of(key.fileobj)
        return None

    def _accept(self) -> Program | None:
        client, _ = self._listener.accept()
        size, streams, _, _ = socket.recv_fds(client, 8, 3)
        content = client.makefile("rb").read(int.from_bytes(size, "big"))
        program = Program(*json.loads(content))
        try:
            if _settings(program.environment) != self._own_settings:
                client.sendall(f"{USE_THE_REAL_ONE}\n".encode())
                client.close()
            elif pid := os.fork():
                self._keep(pid, client)
            else:
                self._leave(client, streams)
                return program
        finally:
            for stream in streams:
                os.close(stream)
        return None

    def _keep(self, pid: int, client: socket.socket) -> None:
        with suppress(OSError):  # the program does the same: whoever comes first
            os.setpgid(pid, pid)  # before the client, which signals the group, knows it
        self._clients[pid], self._starters[pid] = client, _group(client)
        self._selector.register(client, selectors.EVENT_READ)
        with suppress(OSError):  # the client may have been killed
            client.sendall(f"{pid}\n".encode())

    def _leave(self, client: socket.socket, streams: list[int]) -> None:
        """Close, in the forked process, everything that belongs to the server."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for end in (client, self._listener, self._wakened, self._waker, *self._clients.values()):
            end.close()
        for descriptor, stream in enumerate(streams):
            os.dup2(stream, descriptor)

    def _tell_ended(self) -> None:
        with suppress(ChildProcessError):  # there are no children left
            while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                pid, status = ended
                client = self._clients.pop(pid)
                del self._starters[pid]
                with suppress(OSError):
                    client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
                with suppress(KeyError):  # it is unregistered already if the client was killed
                    self._selector.unregister(client)
                client.close()

    def _kill_program_of(self, client: object) -> None:
        """Kill a client's program and its child processes. A client ends before its program only if it is killed."""
        for pid in [pid for pid, other in self._clients.items() if other is client]:  # none if it has just ended
            self._kill(pid)

    def _kill(self, pid: int) -> None:
        # The programs that it started are in other groups. They must not live on until the server notices their
        # clients' end, because what is started next may meet them.
        with suppress(KeyError):
            self._selector.unregister(self._clients[pid])
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        for other in [other for other, group in self._starters.items() if group == pid]:
            self._kill(other)


def _group(client: socket.socket) -> int:
    """The process group of a client, or 0 if it was killed already."""
    pid, _, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    with suppress(ProcessLookupError):
        return os.getpgid(pid)
    return 0


def _settings(environment: Mapping[str, str]) -> dict[str, str]:
    settings = {name: value for name, value in environment.items() if name.startswith(_READ_AT_START)}
    if "TORCHELASTIC_RUN_ID" in environment or "TORCH_CPP_LOG_LEVEL" in environment:
        settings = {name: value for name, value in settings.items() if not name.startswith(_OF_TORCHRUN)}
    if settings.get("LC_CTYPE") == "C.UTF-8":  # Python itself sets it if there is no locale
        del settings["LC_CTYPE"]
    return {name: value for name, value in settings.items() if name not in _READ_LATER}


def _become(program: Program) -> Path | str:
    """Make this process look like a new interpreter to the program. Returns the program's script, or its module."""
    with suppress(OSError):
        os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDED_ON)
    if program.read_only:
        _make_read_only(Path(program.folder))
    os.chdir(program.folder)
    os.environ.clear()
    os.environ |= program.environment
    module = program.argv[1] if program.argv[0] == "-m" else None
    script = Path(program.folder, program.argv[0])
    named = [str(Path(program.folder, place)) for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.argv, sys.executable = list(program.argv[1:] if module else program.argv), program.python
    first = program.folder if module else str(script.parent.resolve())
    sys.path[:] = [first, *named, *sys.path[1:]]  # the first one was this module's folder
    colorama.deinit()  # importing DVC wraps the standard streams
    former = sys.__stdout__, sys.__stderr__
    sys.stdout, sys.stderr = (_reopened(stream, descriptor) for descriptor, stream in enumerate(former, start=1))
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
    if script.name == "dvc":
        colorama.init()
    if program.file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (program.file_bytes, program.file_bytes))
    if program.refuses_unpickling:
        sys.addaudithook(_refuse_unpickling)
    return module or script


def _reopened(former: TextIO | None, descriptor: int) -> TextIOWrapper:
    """A standard stream as an interpreter opens it. The former stream has properties of its former file."""
    assert former is not None
    return TextIOWrapper(
        BufferedWriter(FileIO(descriptor, "w", closefd=False)),
        former.encoding,
        former.errors,
        line_buffering=descriptor == 2 or os.isatty(descriptor),
        write_through="PYTHONUNBUFFERED" in os.environ,
    )


def _run(script: Path | str) -> None:
    if isinstance(script, str):
        runpy.run_module(script, run_name="__main__", alter_sys=True)
        return
    main = types.ModuleType("__main__")
    vars(main).update(__file__=str(script), __builtins__=builtins)
    sys.modules["__main__"] = main
    exec(compile(script.read_bytes(), script, "exec"), vars(main))


def _end(code: object) -> NoReturn:
    """End as an interpreter does, but without the half second that it takes to tear down all imported modules."""
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue] (waits for its threads)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # either end of the stream may be closed
            stream.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _keep_registrations() -> None:
    """Let a program end without the finalizers of the imported libraries, most of which take back what torch knows.

    The process ends anyway. The finalizers take 50 ms, and copy 50 MB of the server's memory.
    """
    for finalizer in list(weakref.finalize._registry):  # pyright: ignore[reportAttributeAccessIssue]
        finalizer.atexit = False
    atexit.unregister(importlib.import_module("torch._dynamo.utils").dump_compile_times)


def _make_read_only(folder: Path) -> None:
    # The mount is in this process's own mount namespace, so nothing changes for other processes.
    new_namespace, bind, remount, read_only, recursive, private = 0x20000, 4096, 32, 1, 16384, 1 << 18
    place, libc = str(folder).encode(), ctypes.CDLL(None, use_errno=True)
    for failed in (
        libc.unshare(new_namespace),
        libc.mount(None, b"/", None, recursive | private, None),
        libc.mount(place, place, None, bind, None),
        libc.mount(None, place, None, bind | remount | read_only, None),
    ):
        if failed:
            raise OSError(ctypes.get_errno(), "cannot mount")


def _refuse_unpickling(event: str, arguments: tuple) -> None:
    # Python raises this audit event if a pickle names a class or a function, by which a pickle can run any code.
    if event == "pickle.find_class":
        raise RuntimeError(f"unpickles {arguments}")


if __name__ == "__main__":
    own_settings = _settings(os.environ)  # before libraries add theirs
    # A program that is signalled before it is set up would lose the signal, if the tests run where SIGINT is ignored.
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDED_ON)
    for name in MODULES:
        importlib.import_module(name)
    # MLflow reads once in each process, from all installed packages, which module belongs to which package.
    importlib.import_module("mlflow.utils.requirements_utils")._init_modules_to_packages_map()
    _keep_registrations()
    gc.collect()
    gc.freeze()  # garbage collections in a child then do not touch this memory, which would copy it
    if wanted := _Server(sys.argv[1], int(sys.argv[2]), own_settings).next_program():
        result: object = None
        try:
            _run(_become(wanted))
        except SystemExit as end:
            result = end.code
            if isinstance(result, str):
                print(result, file=sys.stderr)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        except BaseException:  # noqa: BLE001 (the interpreter's own last resort)
            sys.excepthook(*sys.exc_info())  # pyright: ignore[reportArgumentType]
            result = 1
        _end(result)
