"""How far the committed results move with what only rounds otherwise, and with another seed."""

import json
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from clone import Clone
from mnist_vae.console.stage import UserError
from presets import ROOT
from verify import EXACT, Result, committed_result, run_again, worst_of_each_kind


class Variant(NamedTuple):
    """What is changed: parameters, and variables that torch's libraries read."""

    params: dict[str, str]
    variables: dict[str, str]


_AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
VARIANTS = {
    "vector instructions: AVX2 at most": Variant({}, _AVX2),
    "CPU threads: 1": Variant({"threads": "1"}, {}),
    "seed: 1": Variant({"seed": "1"}, {}),
}


def main(result_path: Path) -> None:
    committed, content = committed_result(ROOT), {}
    for name, variant in VARIANTS.items():
        print(f"rounding: {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            here = run_again(Clone(ROOT, Path(folder) / "clone", variant.params, variant.variables))
        content[name] = _largest(committed, here)
    result_path.write_text(json.dumps(content, indent=2) + "\n")


def _largest(committed: Result, here: Result) -> dict:
    worst = [one for one in worst_of_each_kind(committed.metrics, here.metrics) if one.name not in EXACT]
    means = [one for one in worst if one.name != "active_latent_dimensions"]
    return {
        "largest of all": max(one.relative for one in means if "/" not in one.name),
        "largest of a class": max(one.relative for one in means if "/" in one.name),
        "environment": dict(here.environment),
        "off by": {one.name: one.relative for one in worst},
    }


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except UserError as error:
        sys.exit(f"rounding: {error}")
