"""What a run says of itself in MLflow's pages: its headline numbers and its pictures."""

from mnist_vae.tracking.store import Target

_NUMBERS = {
    "test/mse_per_pixel_minus1_to_1": "MSE per pixel, images in [-1, 1]",
    "test/kl_nats_per_image": "KL, nats per image",
    "test/elbo_nats_per_image": "ELBO, nats per image",
    "test/active_latent_dimensions": "active latent dimensions",
}
_PICTURES = ("class_means.png", "reconstructions.png", "samples.png", "interpolation.gif")


def describe(target: Target) -> None:
    """Let the run's description tell what it has by now, in Markdown."""
    client, run_id = target.store.client, target.run_id
    run = client.get_run(run_id)
    data, params, tags = run.data.metrics, run.data.params, run.data.tags
    size = params["image_size"]
    lines = [f"{params['network']} on {params['dataset']}, {size}×{size}, {params['epochs']} epochs."]
    if "dvc_apply" in tags:
        lines += ["", f"`{tags['dvc_apply']}` brings it back."]
    if numbers := [f"| {title} | {data[name]:.4g} |" for name, title in _NUMBERS.items() if name in data]:
        lines += ["", "| test set | |", "|---|---:|", *numbers]
    there = {file.path for file in client.list_artifacts(run_id, "figures")}
    for name in _PICTURES:
        if f"figures/{name}" in there:
            # As the page's own pictures are asked for, whatever server it comes from.
            lines += ["", f"![{name}](get-artifact?path=figures/{name}&run_uuid={run_id})"]
    client.set_tag(run_id, "mlflow.note.content", "\n".join(lines))
