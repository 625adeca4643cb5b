"""What the rounding of results depends on besides parameters, data and code."""

import json
import platform
import subprocess
from pathlib import Path
from typing import NamedTuple

import torch

from mnist_vae.common.atomic import write_whole
from mnist_vae.common.device import describe
from mnist_vae.console.stage import UserError

_CPUINFO = Path("/proc/cpuinfo")


class Environment(NamedTuple):
    """The device, with a GPU's name or a CPU's threads; the processor's kind, and the widest vector instructions that
    torch uses on it; torch's build.

    Where all are equal, so are results, to the byte; where one is not, they can differ by rounding.
    """

    device: str
    processor: str
    vector_instructions: str
    torch: str


def find_environment(device: torch.device) -> Environment:
    """The environment of this process, once its device is prepared."""
    return Environment(
        device=describe(device),
        processor=_processor(),
        vector_instructions=torch.backends.cpu.get_cpu_capability(),
        torch=str(torch.__version__),
    )


def save_environment(environment: Environment, path: Path) -> None:
    """Write it as JSON."""
    write_whole((json.dumps(environment._asdict(), indent=2) + "\n").encode(), path)


def load_environment(path: Path) -> Environment:
    """Read what save_environment wrote. Raises UserError for a missing or foreign file."""
    try:
        return Environment(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro train`") from None
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} is no record of an environment ({error}): run `dvc repro train --force`") from None


def _processor() -> str:
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
