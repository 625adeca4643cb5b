"""What the rounding of results depends on besides parameters, data and code, as one text."""

import json
from pathlib import Path

import torch

from mnist_vae.common.atomic import write_whole
from mnist_vae.console.stage import UserError

_KEY = "environment"


def find_environment(device: torch.device) -> str:
    """The environment of this process, once its device is prepared, such as `cpu, 2 threads, AVX2, torch 2.13.0+cu130`.

    It names torch's build and the device: a GPU by its name, a CPU by its threads and the widest vector instructions
    that torch uses there. If two texts differ, results can differ by rounding.
    """
    name = device.type
    if name == "cuda":
        name += f" ({torch.cuda.get_device_name(device)})"
    elif name == "cpu":
        threads = torch.get_num_threads()
        name += f", {threads} thread{'s' if threads > 1 else ''}, {torch.backends.cpu.get_cpu_capability()}"
    return f"{name}, torch {torch.__version__}"


def save_environment(environment: str, path: Path) -> None:
    """Write it as JSON. Raises UserError if it cannot be written."""
    write_whole((json.dumps({_KEY: environment}) + "\n").encode(), path)


def load_environment(path: Path) -> str:
    """Read what save_environment wrote. Raises UserError for a missing or foreign file."""
    try:
        match json.loads(path.read_text("utf-8")):
            case {"environment": str(environment)}:
                return environment
            case _:
                raise ValueError(f"it has no text under {_KEY!r}")
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro train`") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is no record of an environment ({error}): run `dvc repro train --force`") from None
