"""The page of a run, put together from its parts. Its bytes depend on nothing but the run's files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mnist_vae.common.catalogue import CUSTOM, DATASETS, dataset_title
from mnist_vae.common.params import FigureParams, ModelParams, image_count
from mnist_vae.common.yaml12 import load_yaml
from mnist_vae.data.latents import Latents
from mnist_vae.data.prepared import ClassNames, Prepared
from mnist_vae.figures.arrays import Pictures
from mnist_vae.figures.gallery import Course
from mnist_vae.model.file import TrainedModel
from mnist_vae.page.charts import Chart, Series, bar_chart, row_chart, thin_out
from mnist_vae.page.explorer import Classes, ExplorerData, explorer_data
from mnist_vae.page.export import UnsupportedLayerError
from mnist_vae.page.headline import Numbers, headline
from mnist_vae.page.pictures import page_pictures

STATIC = Path(__file__).parent / "static"
SCRIPTS = ("network.js", "codes.js", "drawing.js", "map.js", "explorer.js", "controls.js", "charts.js")
_MOST_STEPS = 240  # points of the chart of steps
_NEW = "none, it is new"
_MOST_CLASSES = 20  # bars of the chart of classes
_MOST_DIMENSIONS = 128  # bars of the chart of dimensions


class Run(NamedTuple):
    """What a page is of: a trained model, its data, its codes, its numbers, its history, its pictures, why it lacks
    others, the parameters of the figures, and the names of the classes.
    """

    trained: TrainedModel
    data: Prepared
    latents: Latents
    numbers: Numbers
    course: Course
    pictures: Pictures
    absences: Mapping[str, str]
    figure_params: FigureParams
    class_names: ClassNames


def render_report(run: Run) -> bytes:
    """The page of a run as HTML in UTF-8."""
    params, model = run.trained.origin.params, run.trained.autoencoder
    classes = Classes(run.class_names, run.figure_params)
    try:
        data, absence = explorer_data(model, run.data.test, run.latents, params, classes), ""
    except UnsupportedLayerError as error:
        data, absence = None, str(error)
    return render(
        "report.html",
        title=f"{system_title(params)} on {data_title(params)}",
        params=params,
        dataset=data_title(params),
        sizes={name: len(split.labels) for name, split in run.data._asdict().items()},
        class_names=run.class_names,
        cards=headline(run.numbers, params, model, run.data.test.images),
        changes=changed_params(params, run.figure_params),
        origin=run.trained.origin,
        system=None if data is None else system_view(data),
        absence=absence,
        charts=course_charts(run.course, model.likelihood.reconstruction_unit, params),
        bars=_bars(run, has_prior=model.latent.has_prior),
        pictures=page_pictures(run.pictures, classes, run.absences),
        scripts=[*SCRIPTS, "start.js"],
    )


def render(template: str, **values: object) -> bytes:
    """A template of the folder `static` with its values."""
    environment = Environment(
        loader=FileSystemLoader(STATIC, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["file"] = lambda name: Markup((STATIC / name).read_text("utf-8"))  # noqa: S704 (our own files)
    return environment.get_template(template).render(values).encode()


def script_json(content: object) -> Markup:
    """JSON that stands in a script element: nothing in it ends the element."""
    text = json.dumps(content, separators=(",", ":"), sort_keys=True, ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704


def system_title(params: ModelParams) -> str:
    """A system in words."""
    kind = "Variational autoencoder" if params.variational else "Plain autoencoder"
    return f"{kind} ({params.network})"


def data_title(params: ModelParams) -> str:
    """The data set's name within a sentence."""
    title = dataset_title(params.dataset)
    return title.lower() if params.dataset == CUSTOM else title


def system_view(data: ExplorerData) -> dict:
    """What the explorer's template needs."""
    content = data.content
    return {
        "json": script_json(content),
        "variational": content["variational"],
        "subject": content["drawing"]["subject"],
        "precision": data.precision,
    }


def changed_params(params: ModelParams, figures: FigureParams) -> list[tuple[str, object, object]]:
    """The parameters that differ from the tutorial's: name, value, the tutorial's value or that there is none."""
    values = params.model_dump(mode="json") | figures.model_dump(mode="json")
    defaults = load_yaml(STATIC.parent / "tutorial.yaml")
    if not isinstance(defaults, dict):
        raise TypeError("tutorial.yaml holds no parameters")
    if params.dataset != CUSTOM:  # a model's parameters then have the number of images that a share stands for
        count = DATASETS[params.dataset].train_size
        defaults["validation_size"] = image_count(defaults["validation_size"], count)
    # A parameter that somebody added is not among the tutorial's.
    return [
        (name, value, defaults.get(name, _NEW)) for name, value in values.items() if value != defaults.get(name, _NEW)
    ]


def course_charts(course: Course, unit: str, params: ModelParams) -> list[Chart]:
    """The course of a training: the loss of its steps, then loss, reconstruction error and KL of its epochs."""
    loss = (
        "a bound on −log p(x) from sampled codes"
        if params.samples_the_bound
        else "reconstruction error and weighted KL"
    )
    places, losses = thin_out([row.loss for row in course.steps], _MOST_STEPS)
    epochs = [row.epoch for row in course.epochs]

    def both(name: str) -> list[Series]:
        splits = ("train", "training"), ("validation", "validation")
        return [Series(label, [getattr(row, f"{split}_{name}") for row in course.epochs]) for split, label in splits]

    return [
        Chart("Loss", f"What training makes smaller: {loss}.", "epoch", epochs, both("loss")),
        Chart("Reconstruction error", f"Per image: {unit}.", "epoch", epochs, both("reconstruction_error_per_image")),
        Chart("KL", "Per image, in nats.", "epoch", epochs, both("kl_nats_per_image")),
        Chart(
            "Loss of each step",
            "Means of neighbouring steps, on a logarithmic scale.",
            "step",
            places,
            [Series("training", losses)],
            logarithmic=True,
        ),
    ]


class Bars(NamedTuple):
    """A chart of bars with its heading and what it shows; or why there is none."""

    title: str
    caption: str
    svg: Markup | None


def _bars(run: Run, *, has_prior: bool) -> list[Bars]:
    shown = [_class_bars(run)]
    if has_prior and run.pictures.kl_per_dimension is not None:
        kl = np.sort(run.pictures.kl_per_dimension)[::-1][:_MOST_DIMENSIONS].tolist()
        names = [str(rank) for rank in range(1, len(kl) + 1)]
        text = "KL of each latent dimension in nats, the greatest first. Those near 0 say nothing about an image."
        shown.append(Bars("What each dimension says", text, bar_chart("KL of each dimension", names, kl, "rank")))
    return shown


def _class_bars(run: Run) -> Bars:
    title, errors = "Error of each class", run.numbers.class_mse
    if not errors:
        return Bars(title, "There is none: the images have no classes.", None)
    order = range(len(errors))
    text = "MSE per pixel of the test images of each class, images in [−1, 1]. Some classes are harder than others."
    if len(errors) > _MOST_CLASSES:
        order = np.argsort(errors, kind="stable")[::-1][:_MOST_CLASSES].tolist()
        text += f" The {_MOST_CLASSES} hardest of {len(errors)} are shown."
    names, values = [run.class_names[place] for place in order], [errors[place] for place in order]
    return Bars(title, text, row_chart("MSE per pixel of each class", names, values))
