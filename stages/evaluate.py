"""Measure the trained model on the test set."""

from mnist_vae.console.early import end_in_a_line

end_in_a_line()  # also during the imports below, which take seconds

from mnist_vae.common import paths
from mnist_vae.common.device import place, prepare_device
from mnist_vae.console.stage import run_stage
from mnist_vae.data.latents import Latents, save_latents
from mnist_vae.data.prepared import load_class_names, load_prepared
from mnist_vae.evaluation.metrics import compute_metrics, encode_means, evaluate, save_metrics
from mnist_vae.model.file import load_model, load_origin
from mnist_vae.tracking.run import tracked_run


def main() -> None:
    # The parameters come from the model: params.yaml may have changed since it was trained.
    origin = load_origin(paths.MODEL)
    params = origin.params
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    with tracked_run("evaluate", origin):
        model = load_model(paths.MODEL, device).autoencoder
        prepared = load_prepared(paths.PREPARED)
        labels = prepared.test.labels
        evaluation = evaluate(model, place(prepared.test.images, device), params.seed)
        train_mean = encode_means(model, place(prepared.train.images, device))
        class_names = load_class_names(paths.PREPARED)
        metrics = compute_metrics(model, evaluation, labels, params.image_size**2, len(class_names))
        if metrics.elbo_nats is None:
            reason = "its loss implies no likelihood" if model.latent.has_prior else "a plain autoencoder has no prior"
            print(f"evaluate: no ELBO in metrics.json: {reason}")
        if not class_names:
            print("evaluate: no metrics by class: the images have no classes")
        save_latents(Latents(evaluation.mean, evaluation.kl, labels, train_mean), paths.LATENTS)
        save_metrics(metrics, paths.METRICS, paths.CLASSES, class_names)
    print(
        f"evaluate: MSE {metrics.mse_minus1_to_1:.5f} per pixel on [-1, 1], KL {metrics.kl_nats:.2f} nats per image,"
        f" {metrics.active_dimensions} of {params.latent_dim} latent dimensions active"
    )


if __name__ == "__main__":
    run_stage(main)
