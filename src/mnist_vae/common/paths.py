"""The files that the stages hand on, relative to the working copy; dvc.yaml names the same ones (a test compares)."""

from pathlib import Path

PARAMS = Path("params.yaml")
PREPARED = Path("data/prepared.safetensors")
MODEL = Path("models/model.safetensors")
EPOCHS = Path("reports/history/epochs.csv")
STEPS = Path("reports/history/steps.csv")
ENVIRONMENT = Path("reports/environment.json")
METRICS = Path("reports/metrics.json")
CLASSES = Path("reports/classes.csv")
LATENTS = Path("reports/latents.safetensors")
PICTURES = Path("reports/pictures.safetensors")
FIGURES = Path("reports/figures")
REPORT = Path("reports/report.html")


def watched(dataset: str) -> Path:
    """What changes whenever a data set's original files do: of custom images the list of their checksums."""
    return Path("watch") / f"{dataset}.txt"


def originals(dataset: str) -> Path:
    """The folder into which a person may put a data set's original files. Unlike raw, it is nobody else's."""
    return Path("data/originals") / dataset


def raw(dataset: str) -> Path:
    """The folder of a data set's original files, which DVC empties and fills."""
    return Path("data/raw") / dataset
