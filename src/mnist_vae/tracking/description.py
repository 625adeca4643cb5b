"""What a run says of itself in MLflow's pages: its headline numbers and its pictures."""

from mnist_vae.tracking.store import Target

_NUMBERS = {
    "test/mse_per_pixel_minus1_to_1": "MSE {:.4g} per pixel on [-1, 1]",
    "test/kl_nats_per_image": "KL {:.4g} nats",
    "test/elbo_nats_per_image": "ELBO {:.4g} nats",
    "test/active_latent_dimensions": "{:.0f} active dimensions",
}
_PICTURES = ("class_means.png", "reconstructions.png", "samples.png", "interpolation.gif")


def describe(target: Target) -> None:
    """Let the run's description tell what it has by now, in Markdown. Its numbers come first: few lines are shown."""
    client, run_id = target.store.client, target.run_id
    run = client.get_run(run_id)
    data, params, tags = run.data.metrics, run.data.params, run.data.tags
    numbers = [text.format(data[name]) for name, text in _NUMBERS.items() if name in data]
    what = f"{params['network']} on {params['dataset']}, {params['image_size']}×{params['image_size']}"
    parts = [f"**{' · '.join(numbers)}**"] if numbers else []
    parts.append(f"{what}, {params['epochs']} epochs, kl_weight {params['kl_weight']}, seed {params['seed']}")
    if "dvc_apply" in tags:
        parts.append(f"`{tags['dvc_apply']}` brings it back")
    there = {file.path for file in client.list_artifacts(run_id, "figures")}
    # As the page's own pictures are asked for, whatever server it comes from.
    place = f"get-artifact?run_uuid={run_id}&path=figures/"
    parts += [f"![{name}]({place}{name})" for name in _PICTURES if f"figures/{name}" in there]
    client.set_tag(run_id, "mlflow.note.content", "\n\n".join(parts))
