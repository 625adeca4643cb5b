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
    from mnist_vae.data.latents import EvaluatedCodes, save_codes
    from mnist_vae.data.prepared import load_prepared
    from mnist_vae.evaluation.metrics import compute_metrics, encode_means, evaluate
    from mnist_vae.model.file import load_model, load_origin
    from mnist_vae.tracking.run import track_known_run

    # The parameters come from the model: params.yaml may have changed since it was trained.
    origin = load_origin(paths.MODEL)
    made_by = origin.params
    device = prepare_device(made_by.device, made_by.threads, deterministic=made_by.deterministic)
    with track_known_run(recorder, origin) as run:
        model = load_model(paths.MODEL, device).autoencoder
        prepared = load_prepared(paths.PREPARED)
        labels = prepared.test.labels
        run.settle()
        evaluation = evaluate(model, place(prepared.test.images, device), made_by.seed)
        train_mean = encode_means(model, place(prepared.train.images, device))
        metrics = compute_metrics(model, evaluation, labels, pixels=prepared.test.images[0].size)
        if metrics.elbo_nats_per_image is None:
            reason = "its loss implies no likelihood" if model.latent.has_prior else "a plain autoencoder has no prior"
            print(f"evaluate: no ELBO in metrics.json: {reason}")
        save_codes(EvaluatedCodes(evaluation.mean, evaluation.kl, labels, train_mean), paths.LATENTS)
        write_whole(metrics.json().encode(), paths.METRICS)
        run.log_metrics(paths.METRICS)
    print(
        f"evaluate: MSE {metrics.mse_per_pixel_minus1_to_1:.5f} per pixel on [-1, 1],"
        f" KL {metrics.kl_nats_per_image:.2f} nats per image,"
        f" {metrics.active_latent_dimensions} of {origin.params.latent_dim} latent dimensions active"
    )


if __name__ == "__main__":
    run_stage(main)
