"""Replaces `python` and `dvc` on a PATH: asks the server of preloaded.py to run the program, or runs the real one.

To its parent process it behaves like the program: it forwards signals, and ends with the program's exit code or signal.
"""

import os
import resource
import signal
import sys
from pathlib import Path

from preloaded_client import HANDED_ON, USE_THE_REAL_ONE, Program, connect


def main(real: str, python: str, address: str) -> None:
    """Run the program `real`, by the server at this address if possible. `python` is the shim that replaces Python."""
    arguments = sys.argv[1:]
    argv = [real, *arguments] if real.endswith("dvc") else arguments
    limited = resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY
    is_known = argv[:1] == ["-m"] or (argv and not argv[0].startswith("-") and Path(argv[0]).is_file())
    if limited or not is_known:
        os.execv(real, [real, *arguments])
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDED_ON)
    program = Program(argv, str(Path.cwd()), dict(os.environ), python)
    answers = connect(address, program, (0, 1, 2)).makefile()
    if (answer := answers.readline().strip()) == USE_THE_REAL_ONE:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDED_ON)
        os.execv(real, [real, *arguments])
    # A terminal or killpg sends signals to DVC together with its stage. A tool or a stage gets them alone.
    hand_on = os.killpg if real.endswith("dvc") else os.kill
    for number in HANDED_ON:
        signal.signal(number, lambda number, _: hand_on(int(answer), number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDED_ON)
    code = int(answers.readline())
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
