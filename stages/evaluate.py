"""Measure the trained model on the test set."""

from pathlib import Path

from mnist_vae.common import paths
from mnist_vae.console.stage import repository_root, run_stage
from mnist_vae.tracking.recorder_process import RecorderProcess


def main() -> None:
    # The recorder first: it imports MLflow while this process imports torch, which takes as long.
    with RecorderProcess(repository_root(Path.cwd()), "evaluate") as recorder:
        _evaluate(recorder)


def _evaluate(recorder: RecorderProcess) -> None:
    from mnist_vae.common.atomic import write_whole
    from mnist_vae.common.device import place, prepare_device
    from mnist_vae.data.latents import Latents, save_latents
    from mnist_vae.data.prepared import load_prepared
    from mnist_vae.evaluation.metrics import (
        class_csv,
        compute_class_metrics,
        compute_metrics,
        encode_means,
        evaluate,
    )
    from mnist_vae.model.file import load_model, load_origin
    from mnist_vae.tracking.run import track_known_run

    # The parameters come from the model: params.yaml may have changed since it was trained.
    origin = load_origin(paths.MODEL)
    params = origin.params
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    with track_known_run(recorder, origin) as run:
        model = load_model(paths.MODEL, device).autoencoder
        prepared = load_prepared(paths.PREPARED)
        run.settle()
        evaluation = evaluate(model, place(prepared.test.images, device), params.seed)
        train_mean = encode_means(model, place(prepared.train.images, device))
        labels, pixels = prepared.test.labels, params.image_size**2
        metrics = compute_metrics(model, evaluation, pixels)
        save_latents(Latents(evaluation.mean, evaluation.kl, labels, train_mean), paths.LATENTS)
        write_whole(class_csv(compute_class_metrics(evaluation, labels, pixels)).encode(), paths.CLASSES)
        write_whole(metrics.json().encode(), paths.METRICS)
        run.log_metrics(paths.METRICS)
        run.log_artifacts("", paths.CLASSES)
    if metrics.elbo_nats is None:
        reason = "its loss implies no likelihood" if model.latent.has_prior else "a plain autoencoder has no prior"
        print(f"evaluate: no ELBO in metrics.json: {reason}")
    print(
        f"evaluate: MSE {metrics.mse_minus1_to_1:.5f} per pixel on [-1, 1], KL {metrics.kl_nats:.2f} nats per image,"
        f" {metrics.active_dimensions} of {params.latent_dim} latent dimensions active"
    )


if __name__ == "__main__":
    run_stage(main)
