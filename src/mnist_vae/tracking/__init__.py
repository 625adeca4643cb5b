"""The mirror in MLflow of what the stages wrote, and the only importer of mlflow."""
