"""Resize the images and split them, into one file of uint8 tensors."""

from mnist_vae.console.early import begin_imports

begin_imports()

from mnist_vae.common import paths
from mnist_vae.common.catalogue import CUSTOM, DATASETS, DIGITS
from mnist_vae.common.params import image_count, load_params
from mnist_vae.console.stage import run_stage
from mnist_vae.data.binarisation import binarise
from mnist_vae.data.prepared import save_prepared
from mnist_vae.sources.grey import WHAT_BECOMES
from mnist_vae.sources.larochelle import prepare_larochelle
from mnist_vae.sources.prepare import prepare
from mnist_vae.sources.prepare_custom import prepare_custom


def main() -> None:
    params = load_params(paths.PARAMS)
    raw, class_names = paths.raw(params.dataset), DIGITS
    if params.dataset == CUSTOM:
        prepared, class_names, changes = prepare_custom(raw, params)
        for change, count in sorted(changes.items()):
            print(f"preprocess: {count:,} images {WHAT_BECOMES[change]}")
    elif params.binarisation == "larochelle":
        prepared, class_names = prepare_larochelle(raw), ()
    else:
        dataset = DATASETS[params.dataset]
        validation_size = image_count(params.validation_size, dataset.train_size)
        prepared = prepare(dataset, raw, params.image_size, validation_size, params.seed)
    save_prepared(binarise(prepared, params.binarisation, params.seed), paths.PREPARED, class_names)
    sizes = ", ".join(f"{len(split.labels)} {name}" for name, split in prepared._asdict().items())
    bits = "" if params.binarisation == "none" else f", binarised ({params.binarisation})"
    print(f"preprocess: {sizes} images of {params.image_size}x{params.image_size}{bits}")


if __name__ == "__main__":
    run_stage(main)
