"""Put the tables of results, presets, comparison, reliability and parameters into README.md, the page into docs."""

import argparse
import csv
import json
import re
import shlex
import sys
from collections import Counter
from pathlib import Path

from command import ROOT, run_command

import yaml

from mnist_vae.common import paths
from mnist_vae.common.atomic import file_md5, write_whole
from mnist_vae.console.stage import UserError
from presets import load_presets

PAGE = Path("docs/run.html")
RESULTS = {
    "mse_minus1_to_1": "MSE per pixel, images in [-1, 1]",
    "kl_nats": "KL, nats per image",
    "elbo_nats": "ELBO, nats per image",
    "effective_beta": "effective β: weight of one nat against one unit of summed squared error",
    "active_dimensions": "active latent dimensions",
}


def results_table(root: Path) -> str:
    """The committed run's numbers, and in its heading the parameters that made it."""
    metrics = json.loads((root / paths.METRICS).read_text("utf-8"))
    params = yaml.safe_load((root / "dvc.lock").read_text("utf-8"))["stages"]["train"]["params"]["params.yaml"]
    heading = (
        f"{params['dataset']}, {params['image_size']}×{params['image_size']}, {params['epochs']} epochs,"
        f" kl_weight {params['kl_weight']}, seed {params['seed']}"
    )
    rows = [[text, _number(metrics[name])] for name, text in RESULTS.items() if name in metrics]
    if variance := _variance(params["reconstruction"], metrics["effective_beta"]):
        rows.append(["variance σ² of the ELBO's Gaussian, images in [-1, 1]", _number(variance)])
    return _table([f"test set ({heading})", ""], rows)


def classes_table(root: Path) -> str:
    """MSE and KL by class."""
    with (root / paths.CLASSES).open(newline="", encoding="utf-8") as file:
        classes = list(csv.DictReader(file))
    columns = {"mse_minus1_to_1": "MSE per pixel, [-1, 1]", "kl_nats": "KL, nats per image"}
    rows = [[text, *(_number(float(one[column])) for one in classes)] for column, text in columns.items()]
    return _table(["class", *(one["class"] for one in classes)], rows)


def presets_table(root: Path) -> str:
    """Each preset and the command that runs it."""
    rows = [[f"`{preset.name}`", f"`{shlex.join(preset.command())}`"] for preset in load_presets(root)]
    return _table(["preset", "the experiment"], rows, numbers=False)


def comparison_table(root: Path) -> str:
    """The systems of the last comparison."""
    systems = json.loads((root / "reports" / "comparison" / "comparison.json").read_text("utf-8"))["systems"]
    header = [
        "system",
        "pixels",
        "MSE per pixel, [-1, 1]",
        "KL, nats",
        "ELBO, nats (σ²)",
        "active dimensions",
        "weights",
    ]
    return _table(header, [_system_row(name, one) for name, one in systems.items()])


def _system_row(name: str, system: dict) -> list[str]:
    params, metrics = system["params"], system["metrics"]
    elbo, variance = metrics.get("elbo_nats"), _variance(params["reconstruction"], metrics["effective_beta"])
    return [
        f"`{name}`",
        f"{params['image_size']}×{params['image_size']}",
        _number(metrics["mse_minus1_to_1"]),
        _number(metrics["kl_nats"]),
        "none" if elbo is None else _number(elbo) + ("" if variance is None else f" ({_number(variance)})"),
        f"{metrics['active_dimensions']} of {params['latent_dim']}",
        f"{metrics['parameter_count']:,}",
    ]


def crash_test_table(root: Path) -> str:
    """The report of the crash test that is kept."""
    report = json.loads((root / "reports" / "crash_test.json").read_text("utf-8"))
    rows = [
        ["kills that left no trace", f"{report['kills without a trace']} of {report['kills']}"],
        *(
            [f"of these aimed at {stage}", str(count)]
            for stage, count in report["kills by stage, or between it and the next"].items()
        ),
        *([name, f"{report[name]:,}"] for name in ("trainings resumed from a checkpoint", "training steps")),
        *([name, f"{report[name]:,}"] for name in ("files compared", "MLflow points compared")),
    ]
    return _table([f"`tools/crash_test.py`, seed {report['seed']}", ""], rows)


def failures_table(root: Path) -> str:
    """How many rows of each kind the tests' table of failures has."""
    sys.path.append(str(root / "tests"))
    from failures import failures

    counts = Counter(failure.kind for failure in failures())
    rows = [[kind, str(count)] for kind, count in counts.items()]
    return _table(["what fails", "ways"], [*rows, ["**all**", f"**{sum(counts.values())}**"]])


def parameters_table(root: Path) -> str:
    """Each line of params.yaml: key, default, comment."""
    lines = (root / paths.PARAMS).read_text("utf-8").splitlines()
    found = [re.fullmatch(r"(\w+): (.*?) *# (.*)", line) for line in lines]
    rows = [[f"`{one[1]}`", f"`{one[2]}`", one[3]] for one in found if one]
    return _table(["key", "default", "meaning and allowed values"], rows, numbers=False)


TABLES = {
    "results": results_table,
    "classes": classes_table,
    "presets": presets_table,
    "comparison": comparison_table,
    "crash test": crash_test_table,
    "failures": failures_table,
    "parameters": parameters_table,
}


def filled_in(readme: str, root: Path) -> str:
    """The README with each table put between its two markers. Raises UserError if it lacks one."""
    for name, table in TABLES.items():
        start, end = f"<!-- {name}: written by `make readme` -->", f"<!-- end of {name} -->"
        before, _, rest = readme.partition(start)
        _, found, after = rest.partition(end)
        if not found:
            raise UserError(f"README.md has no {start} … {end}")
        readme = f"{before}{start}\n{table(root)}\n{end}{after}"
    return readme


def publish_page(root: Path) -> None:
    """Copy the page of the run that dvc.lock names into docs, from where it can be served; if it lies there."""
    outs = yaml.safe_load((root / "dvc.lock").read_text("utf-8"))["stages"]["render"]["outs"]
    md5 = next((out["md5"] for out in outs if out["path"] == str(paths.REPORT)), "")
    page = root / paths.REPORT
    if not page.exists() or file_md5(page) != md5:
        print(f"readme: {PAGE} stays: {paths.REPORT} is missing or not that of dvc.lock (dvc checkout, or dvc repro)")
    else:
        write_whole(page.read_bytes(), root / PAGE)


def _table(header: list[str], rows: list[list[str]], *, numbers: bool = True) -> str:
    """A Markdown table; numbers, in all columns but the first, are aligned on the right."""
    rule = ["---", *(["---:" if numbers else "---"] * (len(header) - 1))]
    return "\n".join([_row(header), f"|{'|'.join(rule)}|", *map(_row, rows)])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _variance(reconstruction: str, beta: float) -> float | None:
    """That of the Gaussian that a loss implies, for images in [-1, 1]; none for a Bernoulli, or without a KL."""
    from mnist_vae.model.likelihood import LIKELIHOODS  # imports torch

    return LIKELIHOODS[reconstruction].variance(beta)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    path = ROOT / "README.md"
    path.write_text(filled_in(path.read_text("utf-8"), ROOT), "utf-8")
    publish_page(ROOT)


if __name__ == "__main__":
    run_command(main)
