"""List the files in the folder that custom_data names, so that DVC sees whether it changed. It is only read."""

from mnist_vae.console.early import begin_imports

begin_imports()

from pathlib import Path

from mnist_vae.common import paths
from mnist_vae.common.atomic import write_atomically
from mnist_vae.common.catalogue import CUSTOM
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import repository_root, run_stage, way_back_in_message
from mnist_vae.sources.custom import MANIFEST
from mnist_vae.sources.manifest import Manifest, custom_folder, load_manifest, take_stock


def main() -> None:
    with way_back_in_message(paths.PARAMS):
        params = load_params(paths.PARAMS)
        if params.dataset != CUSTOM:
            print(f"watch: nothing to watch: dataset is {params.dataset}")
        else:
            manifest = list_folder(params.custom_data, repository_root(Path.cwd()))
            write_atomically(manifest.text().encode(), paths.watched(CUSTOM))


def list_folder(custom_data: str, root: Path) -> Manifest:
    folder, kept = custom_folder(custom_data, root), paths.raw(CUSTOM) / MANIFEST
    if not folder.exists() and kept.is_file() and load_manifest(kept).custom_data == custom_data:
        print(f"watch: {folder} is not on this machine: the pipeline uses the copies of its files that DVC keeps")
        return load_manifest(kept)
    manifest = take_stock(folder, custom_data, root / ".dvc" / "tmp" / "custom-files.json")
    print(f"watch: {len(manifest.md5):,} files in {folder}")
    return manifest


if __name__ == "__main__":
    run_stage(main)
