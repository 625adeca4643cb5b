"""What a run is told of its model."""

from pathlib import Path

import mnist_vae
from mnist_vae.common.atomic import file_md5
from mnist_vae.data.prepared import Split
from mnist_vae.tracking.entries import EnterModel, Entry, SetTags

_EXAMPLES = 2  # images that show what the model takes


def model_entries(path: Path, images: Split) -> list[Entry]:
    """The model, to be loaded and served by MLflow, and the md5 sum of its file, by which dvc.lock knows it."""
    examples = images.images[:_EXAMPLES]
    package, md5 = Path(str(mnist_vae.__file__)).parent, file_md5(path)
    rows = examples.reshape(len(examples), -1).tolist()
    return [SetTags(tags={"model_md5": md5}), EnterModel(path=path, package=package, example=rows, md5=md5)]
