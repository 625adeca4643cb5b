"""How much the results change if only rounding differs, and with another seed.

The pipeline runs up to the metrics, once unchanged and once with each change.
"""

import csv
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from measure import command_line, measured_on, run, save
from mnist_vae.common import paths
from mnist_vae.common.params import load_params
from stage_runs import Clone


class Variant(NamedTuple):
    """The changes: parameters, and environment variables that torch's libraries read."""

    params: Mapping[str, object]
    variables: Mapping[str, str]


_AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
VARIANTS = {
    "vector instructions: AVX2 at most": Variant({}, _AVX2),
    "CPU threads: 1": Variant({"threads": 1}, {}),
    "seed: 1": Variant({"seed": 1}, {}),
}


def main() -> None:
    arguments = command_line(__doc__, "rounding").parse_args()
    unchanged = _metrics("unchanged", Variant({}, {}))
    content = {
        **measured_on(load_params(paths.PARAMS).of_model()),
        "variants": {name: differences(unchanged, _metrics(name, variant)) for name, variant in VARIANTS.items()},
    }
    save(content, arguments.result)


def _metrics(name: str, variant: Variant) -> dict[str, float]:
    print(f"rounding: {name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        clone = Clone(Path(folder) / "clone", variant.params, variant.variables)
        clone.link_original_files()
        for stage in ("preprocess", "train", "evaluate"):
            clone.run(stage, "--untracked")
        return dict(_numbers(clone.folder))


def _numbers(folder: Path) -> Iterator[tuple[str, float]]:
    """The numbers of metrics.json by name, and those of classes.csv as NAME/CLASS."""
    yield from json.loads((folder / paths.METRICS).read_text("utf-8")).items()
    with (folder / paths.CLASSES).open(newline="") as file:
        for row in csv.DictReader(file):
            label = row.pop("class")
            yield from ((f"{name}/{label}", float(value)) for name, value in row.items())


def differences(unchanged: Mapping[str, float], changed: Mapping[str, float]) -> dict:
    """The relative difference of each metric, and the largest of means over the test set and of means over a class."""
    off = {name: abs(changed[name] - value) / abs(value) if value else 0.0 for name, value in unchanged.items()}
    means = {name: value for name, value in off.items() if name != "active_dimensions"}
    return {
        "largest of all": max(value for name, value in means.items() if "/" not in name),
        "largest of a class": max(value for name, value in means.items() if "/" in name),
        "off by": off,
    }


if __name__ == "__main__":
    run(main)
