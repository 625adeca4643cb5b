"""How a program is asked for at the server of preloaded.py. Imports little: shim.py does so each time."""

import json
import socket
from collections.abc import Mapping
from typing import NamedTuple

USE_THE_REAL_ONE = "use the real one"


class Program(NamedTuple):
    """A program to run: a script with its arguments, in which folder, with which environment variables.

    `python` is what it takes for its interpreter, to start others with.
    `file_bytes` is the size above which its files cannot grow; `read_only` makes its folder's file system so;
    `refuses_unpickling` makes unpickling anything an error.
    """

    argv: list[str]
    folder: str
    environment: Mapping[str, str]
    python: str
    file_bytes: int | None = None
    read_only: bool = False
    refuses_unpickling: bool = False


def connect(address: str, program: Program, streams: tuple[int, int, int]) -> socket.socket:
    """Ask for a program, with these file descriptors as its standard streams.

    The server answers with a line that has the process's id, and at its end one with its exit code, or minus the
    signal that ended it; or at once with USE_THE_REAL_ONE.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    content = json.dumps(program).encode()
    socket.send_fds(connection, [len(content).to_bytes(8, "big")], streams)
    connection.sendall(content)
    return connection
