"""The environment: one text with everything besides parameters, data and code on which rounding depends."""

import json
from pathlib import Path

import torch

from mnist_vae.common.atomic import write_atomically
from mnist_vae.console.stage import UserError

_KEY = "environment"


def find_environment(device: torch.device) -> str:
    """The environment of this process, such as `cpu, 2 threads, AVX2, torch 2.13.0+cu130`. Prepare the device first.

    The text has torch's build and the device. For a GPU it has the GPU's name, for a CPU the number of threads and the
    widest vector instructions that torch uses. If the texts of two results differ, the results can differ by rounding.
    """
    name = device.type
    if name == "cuda":
        name += f" ({torch.cuda.get_device_name(device)})"
    elif name == "cpu":
        threads = torch.get_num_threads()
        name += f", {threads} thread{'s' if threads > 1 else ''}, {torch.backends.cpu.get_cpu_capability()}"
    return f"{name}, torch {torch.__version__}"


def save_environment(environment: str, path: Path) -> None:
    """Write the environment as JSON. Raises UserError if it cannot be written."""
    write_atomically((json.dumps({_KEY: environment}) + "\n").encode(), path)


def load_environment(path: Path) -> str:
    """Read what save_environment wrote. Raises UserError if the file is missing or of another kind."""
    try:
        match json.loads(path.read_text("utf-8")):
            case {"environment": str(environment)}:
                return environment
            case _:
                raise ValueError(f"it has no text under {_KEY!r}")
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro train`") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a record of an environment ({error}): run `dvc repro train --force`") from None
