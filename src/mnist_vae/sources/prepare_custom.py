"""From the kept custom files to the prepared splits."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from mnist_vae.common.params import Params
from mnist_vae.console.stage import UserError
from mnist_vae.data.prepared import ClassNames, Prepared, Split
from mnist_vae.sources.custom import PACK, require_kept
from mnist_vae.sources.custom_plan import Plan, plan_custom
from mnist_vae.sources.grey import SQUARED, ImageFaultError, make_square, read_grey
from mnist_vae.sources.idx import read_idx
from mnist_vae.sources.layout import IdxLayout, ImageLayout, find_layout
from mnist_vae.sources.manifest import bytes_md5
from mnist_vae.sources.pack import Packed, read_pack
from mnist_vae.sources.parallel import map_in_order
from mnist_vae.sources.prepare import resize


class CustomData(NamedTuple):
    """The prepared images, the names of their classes, and how many images needed each kind of change."""

    prepared: Prepared
    class_names: ClassNames
    changes: Counter[str]


def prepare_custom(kept: Path, params: Params) -> CustomData:
    """The kept images in their splits, as grey levels of image_size × image_size.

    Raises UserError as plan_custom does, and for a damaged file.
    """
    plan, layout = plan_custom(kept, params), find_layout([*require_kept(kept).md5], kept)
    if isinstance(layout, IdxLayout):
        return _prepare_idx(kept, layout, plan, params)
    return _prepare_images(kept, layout, plan, params)


def _prepare_idx(kept: Path, layout: IdxLayout, plan: Plan, params: Params) -> CustomData:
    parts = [read_idx(kept / path, 3) for path in (layout.train_images, layout.test_images) if path]
    squared = sum(len(part) for part in parts if part.shape[1] != part.shape[2] and params.aspect != "stretch")
    changes = Counter({SQUARED: squared} if squared else {})
    if params.transpose:
        parts = [part.transpose(0, 2, 1) for part in parts]
    parts = [resize(make_square(part, params.aspect)[:, np.newaxis], params.image_size) for part in parts]
    images = parts[0] if len(parts) == 1 else np.concatenate(parts)
    splits = (Split(images[chosen], plan.labels[chosen]) for chosen in plan[2:])
    return CustomData(Prepared(*splits), plan.class_names, changes)


def _prepare_images(kept: Path, layout: ImageLayout, plan: Plan, params: Params) -> CustomData:
    size, sums = params.image_size, require_kept(kept).md5
    arrays = [np.empty((len(chosen), 1, size, size), np.uint8) for chosen in plan[2:]]
    places = {
        layout.images[image].path: array[place]
        for chosen, array in zip(plan[2:], arrays, strict=True)
        for place, image in enumerate(chosen.tolist())
    }

    def read(file: Packed) -> tuple[str, ...]:
        if file.path not in places or bytes_md5(file.content) != sums[file.path]:
            raise UserError(f"{kept / PACK} is damaged at {file.path}: run `dvc repro download --force`")
        try:
            grey = read_grey(file.content, size, params.aspect, transpose=params.transpose)
        except ImageFaultError as error:
            raise UserError(f"{file.path} cannot be read: {error}") from None
        places[file.path][0] = grey.pixels
        return grey.changes

    count, changes = 0, Counter()
    results = map_in_order(read, read_pack(kept / PACK))
    for made in tqdm(results, desc="preparing", total=len(places), unit=" images", disable=None):
        changes.update(made)
        count += 1
    if count != len(places):
        raise UserError(f"{kept / PACK} does not contain all images: run `dvc repro download --force`")
    splits = (Split(array, plan.labels[chosen]) for array, chosen in zip(arrays, plan[2:], strict=True))
    return CustomData(Prepared(*splits), plan.class_names, changes)
