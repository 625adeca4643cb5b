"""The files that stages pass to each other: prepared images, history, latents, environment."""
