"""The paths of the stages' files, relative to the working copy. A test compares them with dvc.yaml."""

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
    """The file that changes if a data set's original files do. For custom images, the list of their checksums."""
    return Path("watch") / f"{dataset}.txt"


def originals(dataset: str) -> Path:
    """The folder into which a person may put a data set's original files. DVC does not touch it, unlike raw."""
    return Path("data/originals") / dataset


def raw(dataset: str) -> Path:
    """The folder of a data set's original files. DVC empties and fills it."""
    return Path("data/raw") / dataset
