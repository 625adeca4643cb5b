"""The mirror of results in MLflow. No result depends on it, so no stage does.

Nothing else in this package imports mlflow.
"""
