"""For what MLflow refuses when two processes enter it in the same moment."""

from collections.abc import Callable


def second_try(action: Callable[[], object]) -> None:
    """Do it, and once more if MLflow refuses it: by then its database has what the other process inserted."""
    from mlflow import MlflowException

    try:
        action()
    except MlflowException:
        action()
