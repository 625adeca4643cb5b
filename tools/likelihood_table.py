"""The tables of docs/likelihood.md: likelihoods obtained beside those that others published, and what was checked."""

import json
import math
from pathlib import Path
from typing import NamedTuple

_RESULTS = Path("reports/likelihood/likelihood.json")
_BOUNDS = Path("reports/likelihood/bounds.png")
_COURSE = Path("benchmarks/likelihood_course.json")
_TO_90 = "seconds to 90 nats"
_CHECKS = Path("benchmarks/likelihood.json")
_BOUND = "nll_nats_k"
_ELBO = "nll_nats_k1"  # with one sample
_NOT_RUN = "not run"
_MINUTE = 60


class Reference(NamedTuple):
    """What others published: the model, this project's preset of it, the test images' nats, and where they stand.

    The nats are a negative log-likelihood, or a negative ELBO if `is_elbo`.
    """

    model: str
    preset: str
    nats: str
    source: str
    is_elbo: bool = False


_BURDA = "[Burda et al. 2016](https://arxiv.org/abs/1509.00519)"
_VEL = "[vel, docs/Benchmarks.md](https://github.com/MillionIntegrals/vel/blob/master/docs/Benchmarks.md)"
_PYTHAE = "[pythae, reproducibility](https://github.com/clementchadebec/benchmark_VAE/tree/main/examples/scripts/reproducibility)"
REFERENCES = (
    Reference("VAE 784-200-200, 50 dimensions, dynamic", "burda-vae", "86.76", f"{_BURDA}, table 1"),
    Reference("IWAE k = 5, dynamic", "burda-iwae-5", "85.54", f"{_BURDA}, table 1"),
    Reference("IWAE k = 50, dynamic", "burda-iwae-50", "84.78", f"{_BURDA}, table 1"),
    Reference("VAE, fixed", "burda-vae-fixed", "88.71 (Larochelle's bits)", f"{_BURDA}, appendix D"),
    Reference("IWAE k = 5, fixed", "burda-iwae-5-fixed", "87.63 (Larochelle's bits)", f"{_BURDA}, appendix D"),
    Reference("conv VAE, 50 dimensions, dynamic", "conv-nll", "86.47 ± 0.11 (negative ELBO)", _VEL, is_elbo=True),
    Reference("VAE 784-400, 40 dimensions, fixed", "pythae-vae-fixed", "89.78 ± 0.01 (Larochelle's bits)", _PYTHAE),
)


def likelihood_table(root: Path) -> str:
    """Obtained, reference, source, and the seconds of training."""
    results = _load(root / _RESULTS)
    header = ["model, binarisation", "preset", "obtained", "reference", "source", "seconds of training, machine"]
    return _table(header, [_reference_row(reference, results.get(reference.preset)) for reference in REFERENCES])


def _reference_row(reference: Reference, result: dict | None) -> list[str]:
    model, preset, nats, source, is_elbo = reference
    if result is None:
        return [model, f"`{preset}`", _NOT_RUN, nats, source, _NOT_RUN]
    metrics, seconds = result["metrics"], result["training_seconds"]
    obtained = f"**{metrics['nll_nats']:.2f} ± {metrics['nll_standard_error_nats']:.2f}**"
    if is_elbo:
        obtained += f" (negative ELBO: {metrics[_ELBO]:.2f})"
    took = "not known" if seconds is None else f"{seconds:,}"
    return [model, f"`{preset}`", obtained, nats, source, f"{took}; {result['environment']}"]


def likelihood_sentence(root: Path) -> str:
    """The likelihoods with dynamic binarisation that can be compared with a published one, for the README."""
    results = _load(root / _RESULTS)
    dynamic = [one for one in REFERENCES if one.preset in results and "dynamic" in one.model and not one.is_elbo]
    if not dynamic:
        return "Binarised MNIST: no preset of [the likelihoods of papers](docs/likelihood.md) has been run."
    nll = [
        f"{results[one.preset]['metrics']['nll_nats']:.2f} for `{one.preset}` (published: {one.nats})"
        for one in dynamic
    ]
    seconds = [results[one.preset]["training_seconds"] for one in dynamic]
    took = "" if None in seconds else f", after at most {math.ceil(max(seconds) / _MINUTE)} minutes of training"
    listed = " and ".join(part for part in (", ".join(nll[:-1]), nll[-1]) if part)
    return f"On binarised MNIST, [the test NLL in nats](docs/likelihood.md) is {listed}{took}."


def bounds_table(root: Path) -> str:
    """The bounds of each preset by the number of samples, and their figure."""
    results = _load(root / _RESULTS)
    bounds = {
        name: {key.removeprefix(_BOUND): nats for key, nats in result["metrics"].items() if key.startswith(_BOUND)}
        for name, result in results.items()
    }
    samples = sorted({key for found in bounds.values() for key in found}, key=int)
    header = ["samples per image", *samples, "active dimensions"]
    rows = [
        [
            f"`{name}`",
            *(f"{found[key]:.2f}" if key in found else "" for key in samples),
            f"{results[name]['metrics']['active_dimensions']} of {results[name]['params']['latent_dim']}",
        ]
        for name, found in bounds.items()
    ]
    return _table(header, rows or [["no preset has been run", ""]]) + _picture(root, _BOUNDS, "The bounds by samples")


def checks_table(root: Path) -> str:
    """What benchmarks/likelihood.py measured."""
    result = _load(root / _CHECKS)
    weights = f" Weights of `{result['preset']}`." if "preset" in result else ""  # older results do not name it
    origin = f"Commit {result['commit']}; {result['machine']}.{weights}\n\n" if result else ""
    rows = [[name, value] for name, value in result.get("checks", {}).items()]
    table = _table(["measured", ""], rows or [["`benchmarks/likelihood.py`", _NOT_RUN]])
    return origin + table


def course_table(root: Path) -> str:
    """What benchmarks/likelihood_course.py measured, and its figure."""
    result = _load(root / _COURSE)
    machines = {f"Commit {course['commit']}; {course['machine']}." for course in result.get("courses", {}).values()}
    rows = [
        [
            f"`{name}`",
            str(course["epochs"]),
            f"{course['points'][-1]['seconds']:.0f}",
            f"{course['points'][-1]['nll']:.2f}",
            f"{course[_TO_90]:.0f}" if _TO_90 in course else "",
        ]
        for name, course in result.get("courses", {}).items()
    ]
    header = ["preset", "epochs", "seconds of training", "validation NLL", "seconds to below 90 nats"]
    table = _table(header, rows or [["`benchmarks/likelihood_course.py`", _NOT_RUN, "", "", ""]])
    return "\n\n".join([*sorted(machines), table]) + _picture(root, _COURSE.with_suffix(".png"), "NLL by seconds")


def _picture(root: Path, path: Path, title: str) -> str:
    return f"\n\n![{title}](../{path})" if (root / path).exists() else ""


def _load(path: Path) -> dict:
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines).replace("|  |", "| |")
