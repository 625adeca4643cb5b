"""The mirror of runs in MLflow. No other package imports mlflow."""

from mnist_vae.tracking.run import TrackedRun, track_known_run, track_training_run

__all__ = ["TrackedRun", "track_known_run", "track_training_run"]
