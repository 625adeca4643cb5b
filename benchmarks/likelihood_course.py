"""How the likelihood of validation images falls with the seconds of training, of presets of binarised images.

Each preset is trained in this process for the given number of epochs, without files and MLflow, and measured after 1,
2, 4, 8, ... epochs and at the end. The seconds are those of the training alone. No test image is looked at.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from measure import ROOT, measured_on, run
from mnist_vae.common import paths
from mnist_vae.common.catalogue import DATASETS
from mnist_vae.common.device import find_device, place
from mnist_vae.common.params import Params, image_count
from mnist_vae.console.stage import UserError
from mnist_vae.data.binarisation import binarise
from mnist_vae.evaluation.likelihood import estimate_bounds
from mnist_vae.figures.likelihood import Curve, course_figure
from mnist_vae.figures.style import save_png
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.sources.prepare import prepare
from mnist_vae.training.loop import TrainingImages, fit
from mnist_vae.training.state import Training

sys.path.append(str(ROOT / "tools"))

from presets import load_presets

_PRESETS = ("burda-vae=64", "burda-iwae-5=28", "conv-nll=7")  # about 90 seconds each on two cores
_TARGET = 90  # nats: the seconds to it are a headline


class Course:
    """A callback that measures the likelihood of images after 1, 2, 4, ... epochs, and after the last one."""

    def __init__(self, name: str, images: torch.Tensor, params: Params, samples: int):
        self._name, self._images, self._params, self._samples = name, images, params, samples
        self.seconds, self._resumed = 0.0, time.perf_counter()
        self.points: list[dict[str, float]] = []

    def on_step(self, training: Training) -> None:
        """Nothing."""

    def on_epoch_end(self, training: Training) -> None:
        """Measure, if it is time to; what that takes does not count."""
        self.seconds += time.perf_counter() - self._resumed
        done = training.epoch - 1
        if done & (done - 1) == 0 or done == self._params.epochs:
            nll = float(estimate_bounds(training.model, self._images, self._params.seed, self._samples, {}).nll()[-1])
            self.points.append({"epoch": done, "seconds": round(self.seconds, 1), "nll": round(nll, 3)})
            print(f"{self._name}: epoch {done}, {self.seconds:.0f} s, {nll:.2f} nats", flush=True)
        self._resumed = time.perf_counter()


def main() -> None:
    """Train the presets that are asked for one after the other. Results of others are kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "presets", nargs="*", metavar="PRESET=EPOCHS", default=_PRESETS, help="what to train, for how many epochs"
    )
    parser.add_argument("--images", type=int, default=1000, help="validation images that are measured")
    parser.add_argument("--samples", type=int, default=100, help="importance samples of each")
    parser.add_argument(
        "--result", type=Path, default=ROOT / "benchmarks" / "likelihood_course.json", help="where it goes"
    )
    asked = parser.parse_args()
    trainings = [_training(text) for text in asked.presets]
    content = json.loads(asked.result.read_text("utf-8")) if asked.result.exists() else {"courses": {}}
    content |= {"images": asked.images, "samples": asked.samples}
    for name, params in trainings:
        content["courses"][name] = _course(name, params, asked)
        asked.result.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    curves = [
        Curve(name, {point["seconds"]: point["nll"] for point in course["points"]})
        for name, course in content["courses"].items()
    ]
    save_png(course_figure(curves, asked.samples), asked.result.with_suffix(".png"))


def _training(text: str) -> tuple[str, Params]:
    """The preset and its parameters from PRESET=EPOCHS."""
    name, _, epochs = text.partition("=")
    known = {preset.name: preset.params for preset in load_presets(ROOT) if preset.params.binarisation != "none"}
    if name not in known:
        raise UserError(f"{name!r} is not a preset of binarised images; those are {', '.join(known)}")
    if not epochs.isdecimal() or int(epochs) == 0:
        raise UserError(f"{text!r} does not end in a whole number of epochs, such as {name}=8")
    return name, known[name].model_copy(update={"epochs": int(epochs)})


def _course(name: str, params: Params, asked: argparse.Namespace) -> dict:
    machine = measured_on(params.of_model())
    dataset, device = DATASETS[params.dataset], find_device(params.device)
    size = image_count(params.validation_size, dataset.train_size)
    grey = prepare(dataset, ROOT / paths.raw(params.dataset), params.image_size, size, params.seed)
    prepared = binarise(grey, params.binarisation, params.seed)
    images = TrainingImages(place(prepared.train.images, device), place(prepared.validation.images, device))
    model = build_autoencoder(params.of_model()).to(device)
    course = Course(name, images.validation[: asked.images], params, asked.samples)
    fit(model, images, params.of_model(), callbacks=[course])
    return {**machine, "epochs": params.epochs, "points": course.points, **_headline(course.points)}


def _headline(points: Sequence[dict[str, float]]) -> dict[str, float]:
    below = [point["seconds"] for point in points if point["nll"] < _TARGET]
    return {f"seconds to {_TARGET} nats": below[0]} if below else {}


if __name__ == "__main__":
    run(main)
