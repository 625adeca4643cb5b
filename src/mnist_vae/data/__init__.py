"""The files that stages hand on: prepared images, history, latents, environment."""
