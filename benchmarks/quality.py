"""Seconds of training to the quality of the notebook's recipe, with several seeds.

The quality is one number, the loss of params.yaml on the test images at their mean codes: MSE + 0.1 · KL / 128 by
default. Less is better. Presets whose network, latent code and loss are those of params.yaml can be compared, because
only their training differs. On a GPU, `--systems conv conv-fast` also takes the seconds of the notebook's recipe, which
are minutes on a CPU.
"""

import statistics
import sys
import time

from measure import ROOT, command_line, emulates, measured_on, run, save, spread
from mnist_vae.console.early import begin_imports

begin_imports()

from mnist_vae.common import paths
from mnist_vae.common.device import bound_threads, find_device, place, start_threads
from mnist_vae.common.params import ModelParams, load_params
from mnist_vae.console.stage import UserError
from mnist_vae.data.prepared import Prepared, load_prepared
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.training.loop import TrainingImages, fit, validate

sys.path.append(str(ROOT / "tools"))

from presets import load_presets

# What a preset may change of params.yaml, so that its loss is comparable.
_OF_TRAINING = {
    *("epochs", "batch_size", "learning_rate", "learning_rate_schedule", "adam_betas", "adam_epsilon"),
    *("kl_warmup_epochs", "precision"),
}


def main() -> None:
    parser = command_line(__doc__, "quality")
    parser.add_argument("--systems", nargs="+", default=["conv-fast"], help="presets, trained with each seed")
    parser.add_argument(
        "--precisions", nargs="+", choices=["bfloat16", "tf32"], default=["bfloat16"], help="measured too"
    )
    parser.add_argument("--seeds", type=int, default=5, help="the seeds are 0, 1, 2, ...")
    arguments = parser.parse_args()
    defaults = load_params(paths.PARAMS).of_model()
    systems, device = {}, find_device(defaults.device)
    for name in arguments.systems:
        systems[name] = _preset(name, defaults)
        for precision in [precision for precision in arguments.precisions if not emulates(precision, device)]:
            systems[f"{name}, precision: {precision}"] = systems[name].model_copy(update={"precision": precision})
    measured = measured_on(defaults)
    threads, prepared = start_threads(), load_prepared(paths.PREPARED)
    rows = {}
    for name, params in systems.items():
        with bound_threads(threads):
            trained = [_train(params.model_copy(update={"seed": seed}), prepared) for seed in range(arguments.seeds)]
        qualities, seconds = zip(*trained, strict=True)
        rows[name] = {
            "test loss by seed": list(qualities),
            "mean test loss": statistics.mean(qualities),
            "seconds": spread(seconds),
        }
        print(f"quality: {name}: {rows[name]}", flush=True)
    save({**measured, "seeds": arguments.seeds, "rows": rows}, arguments.result)


def _preset(name: str, defaults: ModelParams) -> ModelParams:
    presets = {preset.name: preset for preset in load_presets(ROOT)}
    if name not in presets:
        raise UserError(f"{name!r} is not a preset: {', '.join(presets)}")
    params = presets[name].params.of_model()
    other = [key for key, value in defaults if key not in _OF_TRAINING and getattr(params, key) != value]
    if other:
        raise UserError(f"{name} has another loss than params.yaml: {', '.join(other)}")
    return params


def _train(params: ModelParams, prepared: Prepared) -> tuple[float, float]:
    """The loss of a trained model on the test images, and the seconds of its training without start-up and files."""
    device = find_device(params.device)
    images = TrainingImages(*(place(split.images, device) for split in (prepared.train, prepared.validation)))
    start = time.perf_counter()
    model = build_autoencoder(params).to(device)
    fit(model, images, params)
    seconds = time.perf_counter() - start
    return float(validate(model, place(prepared.test.images, device)).loss), seconds


if __name__ == "__main__":
    run(main)
