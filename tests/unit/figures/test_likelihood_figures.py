import numpy as np

from mnist_vae.figures.likelihood import Curve, bounds_figure, course_figure

CURVES = [Curve("one", {1: 91.0, 10: 88.5, 100: 87.0}), Curve("two", {1: 90.0, 10: 87.5})]


def test_each_system_is_a_named_curve() -> None:
    for figure, across in ((bounds_figure(CURVES), "importance samples"), (course_figure(CURVES, 100), "seconds")):
        figure.draw_without_rendering()
        (axis,) = figure.axes
        drawn = {line.get_label(): np.asarray(line.get_xydata()).tolist() for line in axis.lines}
        assert drawn == {"one": [[1, 91.0], [10, 88.5], [100, 87.0]], "two": [[1, 90.0], [10, 87.5]]}
        assert across in axis.get_xlabel()
        assert "nats" in axis.get_ylabel()
