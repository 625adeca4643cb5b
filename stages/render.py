"""Draw the figures of the trained model, and write the page of the run."""

from mnist_vae.console.early import end_in_a_line

end_in_a_line()  # also during the imports below, which take seconds

from mnist_vae.common import paths
from mnist_vae.common.atomic import write_whole
from mnist_vae.common.catalogue import DATASETS
from mnist_vae.common.device import place, prepare_device
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import run_stage
from mnist_vae.data.history import read_epochs, read_steps
from mnist_vae.data.latents import load_latents
from mnist_vae.data.prepared import load_prepared
from mnist_vae.figures import grids
from mnist_vae.figures.arrays import draw_pictures, save_pictures
from mnist_vae.figures.gallery import Course, Subject, draw_gallery
from mnist_vae.figures.style import save_gif, save_png
from mnist_vae.model.file import load_model, load_origin
from mnist_vae.page.headline import load_numbers
from mnist_vae.page.report import Run, render_report
from mnist_vae.tracking.run import tracked_run


def main() -> None:
    # The parameters come from the model, but for those of the figures alone.
    origin, figure_params = load_origin(paths.MODEL), load_params(paths.PARAMS).of_figures()
    params = origin.params
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    with tracked_run("render", origin):
        trained, latents, test = (
            load_model(paths.MODEL, device),
            load_latents(paths.LATENTS),
            load_prepared(paths.PREPARED).test,
        )
        numbers = load_numbers(paths.METRICS, paths.CLASSES)
        model = trained.autoencoder
        pictures = draw_pictures(model, place(test.images, device), latents, params.seed, figure_params)
        save_pictures(pictures, paths.PICTURES)
        subject = Subject(DATASETS[params.dataset].title, model.likelihood.distortion_unit, figure_params)
        epochs = read_epochs(paths.EPOCHS, params.epochs)
        course = Course(epochs, read_steps(paths.STEPS, params.epochs * params.steps_per_epoch))
        paths.FIGURES.mkdir(parents=True, exist_ok=True)
        absences = {}
        for name, figure, absence in draw_gallery(pictures, course, subject):
            if figure is None:
                absences[name] = absence
                print(f"render: no {name}: {absence}")
            else:
                save_png(figure, paths.FIGURES / f"{name}.png")
        frames = grids.animation(pictures.straight_interpolation)
        milliseconds = grids.animation_milliseconds(figure_params.interpolation_steps)
        save_gif(frames, milliseconds, paths.FIGURES / "interpolation.gif")
        model.cpu()
        run = Run(trained, test, latents, numbers, course, pictures, absences, figure_params)
        write_whole(render_report(run), paths.REPORT)
    count = len(list(paths.FIGURES.glob("*.png")))
    print(f"render: {count} figures and an animation in {paths.FIGURES}, the page of the run in {paths.REPORT}")


if __name__ == "__main__":
    run_stage(main)
