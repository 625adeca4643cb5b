"""Measure the trained model on the test set."""

from mnist_vae.console.early import begin_imports

begin_imports()

from pathlib import Path

import numpy as np
from torch import Tensor

from mnist_vae.common import paths
from mnist_vae.common.device import place, prepare_device
from mnist_vae.common.params import ModelParams, load_params
from mnist_vae.console.progress import LikelihoodProgress
from mnist_vae.console.stage import repository_root, run_stage
from mnist_vae.data.binarisation import draw_bits
from mnist_vae.data.latents import Latents, save_latents
from mnist_vae.data.prepared import load_class_names, load_prepared
from mnist_vae.evaluation.kept import KeptParts, estimate_key
from mnist_vae.evaluation.likelihood import Bounds, estimate_bounds, why_no_likelihood
from mnist_vae.evaluation.metrics import compute_metrics, encode_means, evaluate, save_metrics
from mnist_vae.model.autoencoder import Autoencoder
from mnist_vae.model.file import load_model, load_origin
from mnist_vae.tracking.run import tracked_run


def main() -> None:
    # The parameters come from the model, but for those of the evaluation alone: params.yaml may have changed since.
    origin, samples = load_origin(paths.MODEL), load_params(paths.PARAMS).likelihood_samples
    params = origin.params
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    with tracked_run("evaluate", origin):
        model = load_model(paths.MODEL, device).autoencoder
        prepared = load_prepared(paths.PREPARED)
        test_images, labels = place(prepared.test.images, device), prepared.test.labels
        evaluation = evaluate(model, test_images, params.seed)
        train_mean = encode_means(model, place(seen_in_training(prepared.train.images, params), device))
        key = estimate_key(paths.MODEL, paths.PREPARED, samples, device)
        kept = KeptParts(repository_root(Path.cwd()) / "checkpoints", key)
        bounds = estimate_likelihood(model, test_images, params, samples, kept)
        class_names = load_class_names(paths.PREPARED)
        metrics = compute_metrics(model, evaluation, labels, params.image_size**2, len(class_names), bounds)
        if metrics.elbo_nats is None:
            reason = "its loss implies no likelihood" if model.latent.has_prior else "a plain autoencoder has no prior"
            print(f"evaluate: no ELBO in metrics.json: {reason}")
        if not class_names:
            print("evaluate: no metrics by class: the images have no classes")
        save_latents(Latents(evaluation.mean, evaluation.kl, labels, train_mean), paths.LATENTS)
        save_metrics(metrics, paths.METRICS, paths.CLASSES, class_names)
        kept.remove()
    print(
        f"evaluate: MSE {metrics.mse_minus1_to_1:.5f} per pixel on [-1, 1], KL {metrics.kl_nats:.2f} nats per image,"
        f" {metrics.active_dimensions} of {params.latent_dim} latent dimensions active"
    )
    if metrics.nll_nats is not None:
        print(f"evaluate: NLL at most {metrics.nll_nats:.2f} ± {metrics.nll_standard_error_nats:.2f} nats per image")


def estimate_likelihood(
    model: Autoencoder, images: Tensor, params: ModelParams, samples: int, kept: KeptParts
) -> Bounds | None:
    reason = why_no_likelihood(model, bits=params.binarisation != "none") if samples else "likelihood_samples is 0"
    if reason:
        print(f"evaluate: no likelihood in metrics.json: {reason}")
        return None
    if kept.parts:
        print(f"evaluate: resuming the likelihood after {kept.images:,} of {len(images):,} images", flush=True)
    progress = LikelihoodProgress(len(images))

    def on_part(count: int) -> None:
        kept.on_part(count)
        progress.on_part(count)

    return estimate_bounds(model, images, params.seed, samples, kept.parts, on_part)


def seen_in_training(images: np.ndarray, params: ModelParams) -> np.ndarray:
    """The training images as the model knows them: of dynamic bits those of no epoch."""
    return draw_bits(images, params.seed, "train") if params.binarisation == "dynamic" else images


if __name__ == "__main__":
    run_stage(main)
