"""Write the marked blocks of README.md and of the pages in docs/ from the files that the project keeps.

A block stands between two comments, which name it. Edit everything outside the blocks by hand. The committed
run's page is copied to docs/run.html.
"""

import argparse
import csv
import json
import re
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from command import ROOT, run_command

import yaml

from likelihood_table import bounds_table, checks_table, course_table, likelihood_sentence, likelihood_table
from mnist_vae.common import paths
from mnist_vae.common.atomic import file_md5, write_atomically
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import UserError
from presets import load_presets

REPORT_COPY = Path("docs/run.html")
_RESULTS = {
    "mse_minus1_to_1": "MSE per pixel, images in [-1, 1]",
    "kl_nats": "KL, nats per image",
    "elbo_nats": "ELBO, nats per image",
    "nll_nats": "upper bound on the negative log-likelihood, nats per image",
    "effective_beta": "β, if the loss is written as summed squared error + β · KL",
    "active_dimensions": "active latent dimensions",
}
_MINUTE = 60


def results(root: Path) -> str:
    """The numbers of the committed run, and the likelihoods of other presets."""
    return f"{results_table(root)}\n\n{likelihood_sentence(root)}"


def results_table(root: Path) -> str:
    """The numbers of the committed run. The heading has the parameters that made it."""
    metrics = json.loads((root / paths.METRICS).read_text("utf-8"))
    params = yaml.safe_load((root / "dvc.lock").read_text("utf-8"))["stages"]["train"]["params"]["params.yaml"]
    heading = (
        f"{params['dataset']}, {params['image_size']}×{params['image_size']}, {params['epochs']} epochs,"
        f" kl_weight {params['kl_weight']}, seed {params['seed']}"
    )
    rows = [[text, _number(metrics[name])] for name, text in _RESULTS.items() if name in metrics]
    if variance := _variance(params["reconstruction"], metrics["effective_beta"]):
        rows.append(["variance σ² of the ELBO's Gaussian likelihood", _number(variance)])
    return _table([f"test set ({heading})", ""], rows)


def classes_table(root: Path) -> str:
    """The MSE and the KL of each class."""
    with (root / paths.CLASSES).open(newline="", encoding="utf-8") as file:
        classes = list(csv.DictReader(file))
    columns = {"mse_minus1_to_1": "MSE per pixel, images in [-1, 1]", "kl_nats": "KL, nats per image"}
    if "nll_nats" in classes[0]:
        columns["nll_nats"] = "negative log-likelihood, nats per image"
    rows = [[line["class"], *(_number(float(line[column])) for column in columns)] for line in classes]
    return _table(["class", *columns.values()], rows)


def presets_table(root: Path) -> str:
    """Each preset and the command that runs it."""
    rows = [[f"`{preset.name}`", f"`{shlex.join(preset.command())}`"] for preset in load_presets(root)]
    return _table(["preset", "the experiment"], rows, numbers=False)


def comparison_table(root: Path) -> str:
    """The numbers of each preset in the last comparison."""
    systems = json.loads((root / "reports" / "comparison" / "comparison.json").read_text("utf-8"))["systems"]
    header = [
        "system",
        "pixels",
        "MSE per pixel, [-1, 1]",
        "KL, nats",
        "ELBO, nats (σ²)",
        "NLL, nats",
        "active dimensions",
        "weights",
    ]
    return _table(header, [_system_row(name, system) for name, system in systems.items()])


def _system_row(name: str, system: dict) -> list[str]:
    params, metrics = system["params"], system["metrics"]
    elbo, nll, variance = (
        metrics.get("elbo_nats"),
        metrics.get("nll_nats"),
        _variance(params["reconstruction"], metrics["effective_beta"]),
    )
    return [
        f"`{name}`",
        f"{params['image_size']}×{params['image_size']}",
        _number(metrics["mse_minus1_to_1"]),
        _number(metrics["kl_nats"]),
        "none" if elbo is None else _number(elbo) + ("" if variance is None else f" ({_number(variance)})"),
        "none" if nll is None else f"{nll:.2f}",
        f"{metrics['active_dimensions']} of {params['latent_dim']}",
        f"{metrics['parameter_count']:,}",
    ]


def crash_test_table(root: Path) -> str:
    """The committed report of the crash test."""
    report = json.loads((root / "reports" / "crash_test.json").read_text("utf-8"))
    rows = [
        [
            "kills after which the final results were those of an undisturbed run",
            f"{report['kills without a trace']} of {report['kills']}",
        ],
        *(
            [f"of these aimed at {stage}", str(count)]
            for stage, count in report["kills by stage, or between it and the next"].items()
        ),
        *([name, f"{report[name]:,}"] for name in ("trainings resumed from a checkpoint", "training steps")),
        *([name, f"{report[name]:,}"] for name in ("files compared", "MLflow points compared")),
    ]
    return _table([f"`tools/crash_test.py`, seed {report['seed']}", ""], rows)


def failures_table(root: Path) -> str:
    """The number of tested failures of each kind."""
    sys.path.append(str(root / "tests" / "support"))
    from failures import failures

    counts = Counter(failure.kind for failure in failures())
    rows = [[kind, str(count)] for kind, count in counts.items()]
    return _table(["what fails", "failures tested"], [*rows, ["**all**", f"**{sum(counts.values())}**"]])


def parameters_table(root: Path) -> str:
    """Each line of params.yaml: key, default, comment."""
    lines = (root / paths.PARAMS).read_text("utf-8").splitlines()
    matches = [re.fullmatch(r"(\w+): (.*?) *# (.*)", line) for line in lines]
    rows = [[f"`{match[1]}`", f"`{match[2]}`", match[3]] for match in matches if match]
    return _table(["key", "default", "meaning and allowed values"], rows, numbers=False)


def duration(root: Path) -> str:
    """How long a first run takes, and how much it downloads."""
    measured = json.loads((root / "benchmarks" / "pipeline.json").read_text("utf-8"))
    minutes = measured["seconds of dvc repro in a fresh clone"] / _MINUTE
    training = next(stage["compute"] for stage in measured["stages"] if stage["stage"] == "train")
    speeds = json.loads((root / "benchmarks" / "throughput.json").read_text("utf-8"))["rows"]["this project"]
    ratio = speeds["whole_training_relative_to"]["conv-fast"]["median"]
    size = re.search(r"about (\d+ GB) on Linux", (root / "tools" / "setup.sh").read_text("utf-8"))
    return (
        f"The first set-up downloads about {size[1] if size else '?'} on Linux, most of it CUDA for PyTorch. The"
        f" pipeline then takes about {minutes:.0f} minutes\nwithout a GPU, {training:.0f} seconds of them for the"
        f" training ({measured['machine'].split(';')[0]}). The preset `conv-fast` trains as well, {ratio:.0f} times as"
        " fast."
    )


def headlines_table(root: Path) -> str:
    """One line of each benchmark."""
    results = {path.stem: json.loads(path.read_text("utf-8")) for path in (root / "benchmarks").glob("*.json")}
    rows = [
        [f"training speed compared with {name}", f"{row['speed_of_this_project_relative_to_it']['median']:.2g} ×"]
        for name, row in results["throughput"]["rows"].items()
        if not name.startswith("this project")
    ]
    recipes, qualities = results["throughput"]["recipes"], results["quality"]
    rows += [
        [
            f"seconds of a whole training of {name}, divided by those of `{recipe}`",
            f"{row['whole_training_relative_to'][recipe]['median']:.3g} ×",
        ]
        for recipe in recipes
        for name, row in results["throughput"]["rows"].items()
        if not name.startswith("this project")
    ]
    rows += [
        [
            f"test loss of `{recipe}`, mean of {qualities['seeds']} seeds (the committed run: {_loss(root)})",
            f"{qualities['rows'][recipe]['mean test loss']:.4f}",
        ]
        for recipe in recipes
    ]
    pipeline, checkpoints = results["pipeline"], results["reliability"]["share of the training's time"]
    rows += [
        ["`dvc repro` in a fresh clone", f"{pipeline['seconds of dvc repro in a fresh clone']:.0f} s"],
        ["`dvc repro` when nothing changed", f"{min(pipeline['seconds of dvc repro when nothing changed']):.1f} s"],
        ["time that tracking adds to a default run", f"{results['tracking']['median share of that']['with']:.1%}"],
        ["time that checkpoints add to a training", f"{checkpoints:.2%}"],
    ]
    return _table(["measured", ""], rows)


def _loss(root: Path) -> str:
    """The loss of the committed run on the test images."""
    params, metrics = load_params(root / paths.PARAMS), json.loads((root / paths.METRICS).read_text("utf-8"))
    return f"{metrics['mse_minus1_to_1'] + params.kl_weight * metrics['kl_nats'] / params.latent_dim:.4f}"


PAGES: Mapping[str, Mapping[str, Callable[[Path], str]]] = {
    "README.md": {"duration": duration, "results": results},
    "docs/parameters.md": {"parameters": parameters_table},
    "docs/systems.md": {"presets": presets_table, "comparison": comparison_table, "classes": classes_table},
    "docs/likelihood.md": {
        "likelihoods": likelihood_table,
        "bounds": bounds_table,
        "checks": checks_table,
        "course": course_table,
    },
    "docs/reliability.md": {"crash test": crash_test_table, "failures": failures_table},
    "docs/benchmarks.md": {"headlines": headlines_table},
}


def filled_in(text: str, page: str, root: Path) -> str:
    """The text of a page with its blocks updated. Raises UserError if the text lacks a block's comments."""
    for name, block in PAGES[page].items():
        start, end = f"<!-- {name}: written by `make readme` -->", f"<!-- end of {name} -->"
        before, _, rest = text.partition(start)
        _, closing, after = rest.partition(end)
        if not closing:
            raise UserError(f"{page} has no block {name}: write {start} and {end} where it belongs")
        text = f"{before}{start}\n{block(root)}\n{end}{after}"
    return text


def publish_page(root: Path) -> None:
    """Copy the page of the committed run into docs/. It stays as it is if the run's page is missing or another one."""
    outs = yaml.safe_load((root / "dvc.lock").read_text("utf-8"))["stages"]["render"]["outs"]
    md5 = next((out["md5"] for out in outs if out["path"] == str(paths.REPORT)), "")
    page = root / paths.REPORT
    if page.exists() and file_md5(page) == md5:
        write_atomically(page.read_bytes(), root / REPORT_COPY)
    else:
        print(f"readme: {REPORT_COPY} stays: {paths.REPORT} is missing or is not that of dvc.lock (dvc repro)")


def _table(header: list[str], rows: list[list[str]], *, numbers: bool = True) -> str:
    """A Markdown table. With `numbers`, all columns except the first are right-aligned."""
    rule = ["---", *(["---:" if numbers else "---"] * (len(header) - 1))]
    return "\n".join([_row(header), f"|{'|'.join(rule)}|", *map(_row, rows)])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _variance(reconstruction: str, beta: float) -> float | None:
    """The variance of the Gaussian that a loss implies, for images in [-1, 1]. A Bernoulli has none."""
    from mnist_vae.model.likelihood import LIKELIHOODS  # imports torch

    return LIKELIHOODS[reconstruction].variance(beta)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    for page in PAGES:
        path = ROOT / page
        path.write_text(filled_in(path.read_text("utf-8"), page, ROOT), "utf-8")
    publish_page(ROOT)


if __name__ == "__main__":
    run_command(main)
