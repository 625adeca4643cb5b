"""The model: networks, posterior, likelihood, loss, and the model's file."""
