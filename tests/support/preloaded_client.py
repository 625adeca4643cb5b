"""The client of preloaded.py's server. It imports little, because each start of shim.py imports it."""

import json
import signal
import socket
from collections.abc import Mapping
from typing import NamedTuple

USE_THE_REAL_ONE = "use the real one"
HANDED_ON = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}  # the signals that a client passes on to its program


class Program(NamedTuple):
    """A program to run: a script or "-m" and a module, with its arguments, its working directory and its environment.

    `python` becomes its sys.executable, with which it starts other programs. `file_bytes` is the largest size of its
    files. `read_only` makes its folder a read-only file system. `refuses_unpickling` makes unpickling a class or
    function an error.
    """

    argv: list[str]
    folder: str
    environment: Mapping[str, str]
    python: str
    file_bytes: int | None = None
    read_only: bool = False
    refuses_unpickling: bool = False


def connect(address: str, program: Program, streams: tuple[int, int, int]) -> socket.socket:
    """Ask the server for a program, with these file descriptors as its standard streams.

    The server answers with a line with the process id, and when the program ends, a line with its exit code, or minus
    the number of the signal that ended it. If it cannot run the program, its only answer is USE_THE_REAL_ONE.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    content = json.dumps(program).encode()
    socket.send_fds(connection, [len(content).to_bytes(8, "big")], streams)
    connection.sendall(content)
    return connection
