"""The mirror of results in MLflow. No result depends on it, so no stage does; nothing else imports mlflow."""
