"""The README's tables of results, from the files that hold them."""

import json
import re
from pathlib import Path

import yaml

from presets import load_presets

RESULTS = {
    "mse_per_pixel_minus1_to_1": "MSE per pixel, images in [-1, 1]",
    "mse_per_pixel_0_to_1": "MSE per pixel, images in [0, 1]",
    "squared_error_per_image_minus1_to_1": "squared error per image, summed over pixels, images in [-1, 1]",
    "kl_nats_per_image": "KL, nats per image",
    "kl_nats_per_dimension": "KL, nats per latent dimension",
    "elbo_nats_per_image": "ELBO, nats per image",
    "elbo_gaussian_variance": "variance of the ELBO's Gaussian, images in [-1, 1]",
    "effective_beta": "effective β: weight of one nat against one unit of summed squared error",
    "active_latent_dimensions": "active latent dimensions",
}


def results_table(root: Path) -> str:
    """The committed run's numbers, and in its heading the parameters that made it."""
    metrics = json.loads((root / "reports" / "metrics.json").read_text())
    params = yaml.safe_load((root / "dvc.lock").read_text())["stages"]["train"]["params"]["params.yaml"]
    heading = (
        f"{params['dataset']}, {params['image_size']}×{params['image_size']}, {params['epochs']} epochs,"
        f" kl_weight {params['kl_weight']}, seed {params['seed']}"
    )
    rows = [f"| {text} | {_number(metrics[name])} |" for name, text in RESULTS.items() if name in metrics]
    return "\n".join([f"| test set ({heading}) | |", "|---|---:|", *rows])


def classes_table(root: Path) -> str:
    """MSE and KL by class."""
    metrics = json.loads((root / "reports" / "metrics.json").read_text())
    mse, kl = metrics["mse_per_pixel_minus1_to_1_by_class"], metrics["kl_nats_per_image_by_class"]
    return "\n".join(
        [
            f"| class | {' | '.join(mse)} |",
            f"|---|{'---:|' * len(mse)}",
            f"| MSE per pixel, [-1, 1] | {' | '.join(map(_number, mse.values()))} |",
            f"| KL, nats per image | {' | '.join(map(_number, kl.values()))} |",
        ]
    )


def presets_table(root: Path) -> str:
    """Each preset and the command that runs it, which `make preset NAME=...` types."""
    rows = [f"| `{preset.name}` | `{preset.line()}` |" for preset in load_presets(root)]
    return "\n".join(["| preset | the experiment that `make preset` runs |", "|---|---|", *rows])


def comparison_table(root: Path) -> str:
    """The systems of the last `make compare`."""
    systems = json.loads((root / "reports" / "comparison" / "comparison.json").read_text())
    header = "| system | pixels | MSE per pixel, [-1, 1] | KL, nats | ELBO, nats (σ²) | active dimensions | weights |"
    return "\n".join([header, f"|---|{'---:|' * 6}", *(_system_row(name, one) for name, one in systems.items())])


def _system_row(name: str, system: dict) -> str:
    params, metrics = system["params"], system["metrics"]
    elbo, variance = metrics.get("elbo_nats_per_image"), metrics.get("elbo_gaussian_variance")
    cells = (
        f"`{name}`",
        f"{params['image_size']}×{params['image_size']}",
        _number(metrics["mse_per_pixel_minus1_to_1"]),
        _number(metrics["kl_nats_per_image"]),
        "none" if elbo is None else _number(elbo) + ("" if variance is None else f" ({_number(variance)})"),
        f"{metrics['active_latent_dimensions']} of {params['latent_dim']}",
        f"{metrics['parameter_count']:,}",
    )
    return f"| {' | '.join(cells)} |"


def parameters_table(root: Path) -> str:
    """Each line of params.yaml: key, default, comment."""
    lines = (root / "params.yaml").read_text().splitlines()
    found = [re.fullmatch(r"(\w+): (.*?) *# (.*)", line) for line in lines]
    rows = [f"| `{one[1]}` | `{one[2]}` | {one[3]} |" for one in found if one]
    return "\n".join(["| key | default | meaning and allowed values |", "|---|---|---|", *rows])


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"
