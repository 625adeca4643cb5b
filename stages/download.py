"""Fetch the data set's original files into a folder, and verify them."""

from mnist_vae.console.early import begin_imports

begin_imports()

from pathlib import Path

from mnist_vae.common import paths
from mnist_vae.common.catalogue import CUSTOM, DATASETS, dataset_title
from mnist_vae.common.params import Params, load_params
from mnist_vae.console.stage import repository_root, run_stage, way_back_in_message
from mnist_vae.sources.download import UnreachableError, fetch
from mnist_vae.sources.larochelle import forget_larochelle, keep_larochelle
from mnist_vae.sources.manifest import custom_folder, load_manifest


def main() -> None:
    # This is the first stage, and it runs whenever params.yaml changed. So it finds every wrong parameter, and a device
    # that does not exist, before an output of a later stage is touched.
    with way_back_in_message(paths.PARAMS):
        params = load_params(paths.PARAMS)
    if params.device in {"cuda", "mps"}:
        from mnist_vae.common.device import find_device  # imports torch, which takes seconds

        find_device(params.device)
    root = repository_root(Path.cwd())
    if params.dataset == CUSTOM:
        print(f"download: {dataset_title(CUSTOM)}: {keep(params, root)}")
        return
    raw, originals = paths.raw(params.dataset), paths.originals(params.dataset)
    if params.binarisation == "larochelle":
        with way_back_in_message(paths.PARAMS):
            print(f"download: Larochelle's binarised MNIST: {keep_larochelle(raw, originals, root)}")
        return
    forget_larochelle(raw)
    unreachable = root / ".dvc" / "tmp" / "data-set-unreachable"  # tells `make repro` why the stage failed
    unreachable.unlink(missing_ok=True)
    try:
        origin = fetch(DATASETS[params.dataset], raw, originals, root)
    except UnreachableError:
        unreachable.touch()
        raise
    print(f"download: {DATASETS[params.dataset].title}: {origin}")


def keep(params: Params, root: Path) -> str:
    from mnist_vae.sources.custom import keep_custom
    from mnist_vae.sources.custom_plan import check_custom

    folder, manifest = custom_folder(params.custom_data, root), load_manifest(paths.watched(CUSTOM))
    with way_back_in_message(paths.PARAMS):
        return keep_custom(folder, manifest, paths.raw(CUSTOM), root, lambda place: check_custom(place, params))


if __name__ == "__main__":
    run_stage(main)
