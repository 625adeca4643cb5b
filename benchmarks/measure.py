"""What all benchmarks share: the command line, the machine, the spread of repeats, and saving the result."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import tables

if TYPE_CHECKING:
    import torch

    from mnist_vae.common.params import ModelParams

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))


def command_line(description: str | None, name: str) -> argparse.ArgumentParser:
    """A parser with an option for the file of the result."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--result", type=Path, default=ROOT / "benchmarks" / f"{name}.json", help="where it is written")
    return parser


def measured_on(params: "ModelParams") -> dict:
    """The commit and the machine of a measurement. It also prepares torch as for a training."""
    from mnist_vae.common.device import prepare_device
    from mnist_vae.data.environment import find_environment

    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    return {"commit": commit_of(ROOT), "machine": f"{_processor()}, {os.cpu_count()} cores; {find_environment(device)}"}


def emulates(precision: str | None, device: "torch.device") -> bool:
    """Whether the device emulates the precision. It is then not measured, and a line says so."""
    from mnist_vae.common.device import is_emulated

    if precision is None or not is_emulated(precision, device):
        return False
    print(f"{precision} is left out: this processor has no instructions for it", flush=True)
    return True


def commit_of(root: Path) -> str:
    """The commit that is checked out, and "-dirty" if more than results of benchmarks was changed since."""
    command = ["git", "rev-parse", "--short=7", "HEAD"]
    commit = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", check=True).stdout.strip()
    # A benchmark before this one has written its result.
    results = [f":(exclude)benchmarks/{name}" for name in ("*.json", "*.png", "README.md")]
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", ".", *results], cwd=root, check=False).returncode
    return f"{commit}-dirty" if changed else commit


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def spread(values: Sequence[float]) -> dict[str, float]:
    """The median, the minimum and the maximum of some measurements."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def save(content: dict, path: Path) -> None:
    """Write a result as JSON, update the README.md beside it if there is one, and print the result's table."""
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    if (path.parent / "README.md").exists():
        tables.write(path.parent)
    print(tables.section(Path(sys.argv[0]).stem, content))  # the result may have another name


def run(main: Callable[[], None]) -> NoReturn:
    """Call `main` and exit. A UserError and an interrupt end in one line."""
    from mnist_vae.console.early import end_imports
    from mnist_vae.console.stage import UserError

    end_imports()
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"{Path(sys.argv[0]).stem}: {error}")
    except KeyboardInterrupt:
        print(f"{Path(sys.argv[0]).stem}: stopped by SIGINT", file=sys.stderr)
        sys.exit(130)
