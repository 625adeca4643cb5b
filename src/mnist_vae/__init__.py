"""A reproducible experiment pipeline for a convolutional VAE on MNIST."""
