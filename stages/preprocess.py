"""Resize the images and split them, into one file of uint8 tensors."""

from mnist_vae.console.early import end_in_a_line

end_in_a_line()  # also during the imports below, which take seconds

from mnist_vae.common import paths
from mnist_vae.common.catalogue import DATASETS
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import run_stage
from mnist_vae.data.prepared import save_prepared
from mnist_vae.sources.prepare import prepare


def main() -> None:
    params = load_params(paths.PARAMS)
    dataset, raw = DATASETS[params.dataset], paths.raw(params.dataset)
    prepared = prepare(dataset, raw, params.image_size, params.validation_size, params.seed)
    save_prepared(prepared, paths.PREPARED)
    sizes = ", ".join(f"{len(split.labels)} {name}" for name, split in prepared._asdict().items())
    print(f"preprocess: {sizes} images of {params.image_size}x{params.image_size}")


if __name__ == "__main__":
    run_stage(main)
