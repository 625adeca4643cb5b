"""Resize the images and split them, into one file of uint8 tensors."""

from pathlib import Path

from mnist_vae.common.catalogue import DATASETS
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import run_stage
from mnist_vae.sources.prepare import prepare


def main(raw: Path, prepared_path: Path) -> None:
    params = load_params(Path("params.yaml"))
    dataset = DATASETS[params.dataset]
    prepared = prepare(dataset, raw, params.image_size, params.validation_size, params.seed, prepared_path)
    sizes = ", ".join(f"{len(split.labels)} {name}" for name, split in prepared._asdict().items())
    print(f"preprocess: {sizes} images of {params.image_size}x{params.image_size}")


if __name__ == "__main__":
    run_stage(main)
