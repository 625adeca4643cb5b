"""The page in a real browser without a network, opened as a file, and used by real events."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.remote.webelement import WebElement

from browser import chromium, requested_addresses, script_errors, wait_until
from builders import tiny_params
from mnist_vae.figures.comparison import System
from mnist_vae.figures.interpolation import lerp, slerp
from mnist_vae.page.comparison import Compared, render_comparison
from mnist_vae.page.explorer import Classes, explorer_data
from mnist_vae.page.report import Run, render_report
from page_runs import KINDS, page_run, random_codes

CODES = 100
LEVEL = 1 / 255
EXPLORER = "document.querySelector('[data-explorer]').explorer"
# Forms in which the page holds weights, by changes that make it choose them: float16, int8, int6.
FORMATS = KINDS | {
    "int8": {"network": "mlp", "mlp_widths": [1500]},
    "int6": {"network": "mlp", "mlp_widths": [2500]},
}


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("browser"), network=False) as window:
        yield window


class Shown(NamedTuple):
    """A page in the browser, and the run that it is of."""

    window: Chrome
    run: Run

    def part(self, name: str) -> WebElement:
        return self.window.find_element("css selector", f'[data-part="{name}"]')

    def script(self, expression: str, *values: object) -> Any:
        return self.window.execute_script(f"return {expression}", *values)

    def settle(self) -> None:
        """Wait until no frame is waiting, and all test images are encoded."""
        busy = f"{EXPLORER}.pending === null && {EXPLORER}.codes.length === {EXPLORER}.images.length"
        wait_until(self.window, lambda _: self.script(busy))

    def image(self) -> np.ndarray:
        """What the image shows, as grey levels."""
        self.settle()
        pixels = "[...arguments[0].getContext('2d').getImageData(0, 0, arguments[0].width, arguments[0].height).data]"
        return np.array(self.script(pixels, self.part("image")))[::4]

    def code(self) -> np.ndarray:
        self.settle()
        return np.array(self.script(f"[...{EXPLORER}.code]"))

    def words(self) -> str:
        self.settle()
        return self.part("words").text

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """What the page decodes codes (N, D) to, as brightness (N, pixels)."""
        decode = f"arguments[0].map((code) => [...{EXPLORER}.model.decode(Float32Array.from(code))])"
        return np.array(self.script(decode, codes.tolist()))

    def torch_decodes(self, codes: np.ndarray) -> np.ndarray:
        """What torch decodes them to."""
        model = self.run.trained.autoencoder
        with torch.inference_mode():
            return model.decode(torch.from_numpy(codes.astype(np.float32))).flatten(1).numpy()

    def expected(self, code: np.ndarray) -> np.ndarray:
        """The grey levels that torch decodes a code to."""
        return 255 * self.torch_decodes(code[None])[0]

    def shows_its_code(self) -> bool:
        return bool(np.abs(self.image() - self.expected(self.code())).max() <= 1.6)  # of 255, rounding included

    def at(self, name: str, across: float, down: float) -> ActionChains:
        """The pointer on its way to a place of an element, as shares of its width and height."""
        element = self.part(name)
        self.window.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        size = element.size
        offsets = round((across - 0.5) * size["width"]), round((down - 0.5) * size["height"])
        return ActionChains(self.window, duration=20).move_to_element_with_offset(element, *offsets)


class Written(NamedTuple):
    """A page in a file, and the run that it is of."""

    path: Path
    run: Run

    def open(self, window: Chrome) -> Shown:
        window.get(self.path.as_uri())
        shown = Shown(window, self.run)
        shown.settle()
        return shown


def write(folder: Path, run: Run) -> Written:
    path = folder / "report.html"
    path.write_bytes(render_report(run))
    return Written(path, run)


def show(window: Chrome, folder: Path, run: Run) -> Shown:
    return write(folder, run).open(window)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(tmp_path_factory.mktemp("page"), page_run(latent_dim=4))


@pytest.fixture
def shown(window: Chrome, written: Written) -> Shown:
    window.set_window_size(1400, 900)
    return written.open(window)


@pytest.mark.parametrize("name", FORMATS)
def test_page_computes_what_torch_computes(window: Chrome, tmp_path: Path, name: str) -> None:
    run = page_run(**FORMATS[name])
    requested_addresses(window)
    page = show(window, tmp_path, run)
    model, tests = run.trained.autoencoder, torch.from_numpy(run.data.test.images[:CODES].copy())
    precision = explorer_data(
        model, run.data.test, run.latents, run.trained.origin.params, Classes(run.class_names, run.figure_params)
    ).precision
    with torch.inference_mode():
        code = model.encode(tests)
    levels = tests.reshape(CODES, -1).tolist()
    encoded = page.script(f"arguments[0].map((image) => [...{EXPLORER}.model.encode(image).mean])", levels)
    # What the page says of its precision is so.
    for codes, allowed in (
        (code.mean.numpy(), precision.decoded_off),
        (np.array(encoded), precision.reconstructed_off),
    ):
        assert np.abs(page.decode(codes) - page.torch_decodes(code.mean.numpy())).max() <= allowed + 1e-5
    if precision.decoder == "float16":
        codes = random_codes(run, CODES)
        assert np.abs(page.decode(codes) - page.torch_decodes(codes)).max() <= LEVEL
    if model.latent.has_prior and precision.encoder == "float16":
        kl = page.script(f"arguments[0].map((image) => [...{EXPLORER}.model.encode(image).kl])", levels)
        np.testing.assert_allclose(kl, code.kl().numpy(), rtol=0.02, atol=0.02)
    assert script_errors(window) == []
    assert {address.partition(":")[0] for address in requested_addresses(window)} <= {"file", "data"}


def test_page_opens_on_the_first_test_image_of_a_class(shown: Shown) -> None:
    first = int(np.flatnonzero(shown.run.data.test.labels == 1)[0])
    assert shown.words() == f"Test image {first} of class 1, reconstructed"
    np.testing.assert_allclose(shown.code(), shown.run.latents.mean[first], atol=0.01 * shown.run.latents.mean.std())
    assert shown.shows_its_code()
    kl = shown.run.latents.kl[first].sum()
    assert f"KL {kl:.1f} nats" in shown.part("facts").text


def test_nearest_test_images_are_those_of_the_nearest_codes(shown: Shown) -> None:
    shown.settle()
    places = shown.script(f"{EXPLORER}.data.tests.numbers")
    codes = np.array(shown.script(f"{EXPLORER}.codes.map((code) => [...code])"))
    np.testing.assert_allclose(codes, shown.run.latents.mean[places], atol=0.02 * codes.std())
    distance = ((codes - shown.code()) ** 2).sum(axis=1)
    titles = [item.get_attribute("title") for item in shown.part("nearest").find_elements("tag name", "li")]
    labels = shown.run.data.test.labels
    nearest = [places[place] for place in distance.argsort()[:6]]
    assert titles == [f"Test image {number} of class {labels[number]}" for number in nearest]


def test_moving_over_the_map_decodes_the_place_and_leaving_brings_the_code_back(shown: Shown) -> None:
    exact = f"[...{EXPLORER}.image]"
    before, code = shown.script(exact), shown.code()
    shown.at("map", 0.3, 0.65).perform()
    assert shown.words().startswith("Point ")
    drawn = shown.script(f"{EXPLORER}.data.map")
    low, high = np.array(drawn["low"]), np.array(drawn["high"])
    box = shown.part("map").size
    # The pointer is at whole pixels.
    right, below = round(-0.2 * box["width"]) / box["width"], round(0.15 * box["height"]) / box["height"]
    share = np.array([0.5 + right, 0.5 - below])
    place = low + (high - low) * share
    np.testing.assert_allclose(shown.script(f"{EXPLORER}.map.cursor"), place, atol=1.5 * (high - low)[0] / box["width"])
    there = shown.script(f"[...{EXPLORER}.map.codeAt(arguments[0])]", place.tolist())
    assert np.abs(shown.image() - shown.expected(np.array(there))).max() < 6  # of a pixel beside it
    assert shown.script(exact) != before
    ActionChains(shown.window).move_to_element(shown.part("reset")).perform()
    assert (shown.code() == code).all()
    assert shown.script(exact) == before


def test_clicks_set_the_anchors_in_turn_and_dragging_moves_one(shown: Shown) -> None:
    anchors = f"['A', 'B'].map((name) => [...{EXPLORER}.anchors[name]])"
    shown.at("map", 0.2, 0.8).click().perform()
    first = shown.code()
    assert shown.words().endswith(", now A")
    shown.at("map", 0.8, 0.2).click().perform()
    assert (np.array(shown.script(anchors)) == [first, shown.code()]).all()
    shown.at("map", 0.2, 0.8).click_and_hold().move_by_offset(60, -90).release().perform()
    moved = np.array(shown.script(anchors))
    assert (moved[0] != first).any()
    assert (moved[0] == shown.code()).all()
    assert shown.shows_its_code()


@pytest.mark.parametrize(("way", "path"), [("lerp", lerp), ("slerp", slerp)])
def test_slider_leads_from_a_to_b(shown: Shown, way: str, path: Any) -> None:
    shown.window.find_element("css selector", f'[name="way"][value="{way}"]').click()
    share = shown.part("share")
    share.send_keys(Keys.END)
    ends = torch.tensor(shown.script(f"['A', 'B'].map((name) => [...{EXPLORER}.anchors[name]])"))
    np.testing.assert_allclose(shown.code(), ends[1], atol=1e-5)
    share.send_keys(Keys.HOME)
    share.send_keys(Keys.ARROW_RIGHT * 25)
    assert shown.words() == "25 % of the way from A to B"
    np.testing.assert_allclose(shown.code(), path(ends, 5)[1], atol=1e-4)
    assert shown.shows_its_code()


def test_animation_plays_until_it_is_stopped(shown: Shown) -> None:
    play = shown.part("play")
    play.click()
    wait_until(shown.window, lambda _: shown.script("Number(arguments[0].value)", shown.part("share")) > 0.1)
    play.click()
    reached = shown.part("share").get_property("value")
    assert play.text == "Play"
    shown.settle()
    assert shown.part("share").get_property("value") == reached


def test_map_is_steered_by_the_keyboard(shown: Shown) -> None:
    shown.part("map").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_UP)
    place = np.array(shown.script(f"{EXPLORER}.map.project(Float32Array.from(arguments[0]))", shown.code().tolist()))
    shown.part("map").send_keys(Keys.ARROW_RIGHT, Keys.SHIFT + Keys.ARROW_UP)
    moved = np.array(shown.script(f"{EXPLORER}.map.project(Float32Array.from(arguments[0]))", shown.code().tolist()))
    span = shown.script(f"{EXPLORER}.map.span[0]")
    np.testing.assert_allclose(moved - place, [span / 60, 5 * span / 60], rtol=1e-3)
    shown.part("map").send_keys("b")
    assert shown.script(f"[...{EXPLORER}.anchors.B]") == shown.code().tolist()
    assert shown.shows_its_code()


def test_dimensions_are_turned_by_the_keyboard_and_reset(shown: Shown) -> None:
    before = shown.code()
    rows = shown.part("sliders").find_elements("tag name", "input")
    order = shown.script(f"{EXPLORER}.data.dimensions.order")
    rows[0].send_keys(Keys.END)
    rows[1].send_keys(Keys.HOME)
    turned = shown.code()
    assert turned[order[0]] == pytest.approx(shown.script("Number(arguments[0].max)", rows[0]), rel=1e-4)
    assert turned[order[1]] == pytest.approx(shown.script("Number(arguments[0].min)", rows[1]), rel=1e-4)
    assert (np.delete(turned, order[:2]) == np.delete(before, order[:2])).all()
    assert shown.shows_its_code()
    shown.part("reset").click()
    assert (shown.code() == before).all()


def test_drawing_is_encoded_as_it_is_drawn(shown: Shown) -> None:
    before = shown.code()
    shown.at("pad", 0.3, 0.2).click_and_hold().move_by_offset(70, 10).move_by_offset(-40, 110).release().perform()
    assert shown.words() == "Your drawing, reconstructed"
    assert (shown.code() != before).any()
    levels = np.array(shown.script(f"[...{EXPLORER}.seen.levels]"))
    with torch.inference_mode():
        images = torch.from_numpy(levels.astype(np.uint8).reshape(1, 1, 16, 16))
        code = shown.run.trained.autoencoder.encode(images)
    np.testing.assert_allclose(shown.code(), code.mean[0].numpy(), atol=0.02 * shown.run.latents.mean.std())
    assert f"KL {code.kl().sum():.0f}"[:5] in shown.part("facts").text
    assert not shown.part("hint").is_displayed()
    shown.part("clear").click()
    assert shown.part("hint").is_displayed()


def test_samples_are_those_of_their_seed(shown: Shown) -> None:
    shown.part("sample").click()
    first = shown.code()
    assert shown.words() == "Sample 1 from the prior"
    shown.part("sample").click()
    assert (shown.code() != first).all()
    seed = shown.part("seed")
    seed.clear()
    seed.send_keys("1", Keys.TAB)
    assert (shown.code() == first).all()
    assert shown.shows_its_code()


def test_test_images_are_shown_in_turn(shown: Shown) -> None:
    button = shown.window.find_element("css selector", '[data-start="7"]')
    of_class = np.flatnonzero(shown.run.data.test.labels == 7)
    for number in of_class[:2]:
        button.click()
        assert shown.words() == f"Test image {number} of class 7, reconstructed"


def test_one_class_is_shown_alone(shown: Shown) -> None:
    button = shown.window.find_element("css selector", '[data-class="3"]')
    for pressed, only in (("true", 3), ("false", None)):
        button.click()
        assert button.get_attribute("aria-pressed") == pressed
        assert shown.script(f"{EXPLORER}.map.only") == only


def test_charts_are_read_by_pointer_and_keyboard(shown: Shown) -> None:
    chart = shown.window.find_element("css selector", "figure.chart")
    svg, told = chart.find_element("tag name", "svg"), chart.find_element("class name", "reading")
    before, (_, middle, last) = told.text, shown.run.course.epochs
    ActionChains(shown.window).scroll_to_element(svg).move_to_element(svg).perform()
    assert told.text == f"epoch 2: training {middle.train_loss:.4g} · validation {middle.validation_loss:.4g}"
    ActionChains(shown.window).move_to_element(shown.window.find_element("tag name", "h2")).perform()
    assert told.text == before
    shown.window.execute_script("arguments[0].focus()", svg)
    svg.send_keys(Keys.END)
    assert told.text.startswith(f"epoch 3: training {last.train_loss:.4g}")
    svg.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert told.text.startswith("epoch 1:")


def test_small_copy_of_the_image_is_shown_while_the_image_is_out_of_view(shown: Shown) -> None:
    def is_there(place: str) -> bool:
        shown.window.execute_script(
            f"document.querySelector('{place}').scrollIntoView({{block: 'start', behavior: 'instant'}})"
        )
        shown.script("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return shown.part("mini").is_displayed()

    assert [is_there(place) for place in ("#explore", ".explore-sliders", "#pictures")] == [False, True, False]


@pytest.mark.parametrize("name", ["plain autoencoder", "plain plane", "plane", "line"])
def test_every_kind_of_system_can_be_used(window: Chrome, tmp_path: Path, name: str) -> None:
    page = show(window, tmp_path, page_run(**KINDS[name]))
    assert page.part("map").is_displayed() == (name != "line")
    page.part("sample").click()
    assert page.shows_its_code()
    page.part("sliders").find_element("tag name", "input").send_keys(Keys.END)
    assert page.shows_its_code()
    page.at("pad", 0.3, 0.2).click_and_hold().move_by_offset(30, 80).release().perform()
    assert page.words() == "Your drawing, reconstructed"
    assert ("KL" in page.part("facts").text) == page.run.trained.autoencoder.latent.has_prior
    assert script_errors(window) == []


CUSTOM = {"dataset": "custom", "custom_data": "mine"}


def test_images_without_classes_are_explored_by_their_numbers(window: Chrome, tmp_path: Path) -> None:
    page = show(window, tmp_path, page_run((), **CUSTOM))
    assert page.words() == "Test image 0, reconstructed"
    assert [start.text for start in page.part("starts").find_elements("tag name", "button")] == list("0123456789")
    page.part("starts").find_elements("tag name", "button")[4].click()
    assert page.words() == "Test image 4, reconstructed"
    assert page.part("classes").find_elements("xpath", "*") == []
    titles = [item.get_attribute("title") for item in page.part("nearest").find_elements("tag name", "li")]
    assert all(re.fullmatch(r"Test image \d+", title or "") for title in titles)
    assert (
        page.script("document.querySelector('[data-controls] [data-part=draw-title]').textContent") == "Draw a picture"
    )
    page.at("pad", 0.3, 0.2).click_and_hold().move_by_offset(30, 80).release().perform()
    assert page.words() == "Your drawing, reconstructed"
    assert script_errors(window) == []


def test_names_of_classes_are_shown_as_they_are(window: Chrome, tmp_path: Path) -> None:
    names = ("<b>bold</b>", 'a"b', "&amp;", "x" * 90, "日本語")
    page = show(window, tmp_path, page_run(names, **CUSTOM))
    for part in ("starts", "classes"):
        buttons = page.part(part).find_elements("tag name", "button")
        assert [button.text for button in buttons] == [*names]
    page.part("classes").find_elements("tag name", "button")[3].click()
    assert page.script(f"{EXPLORER}.map.only") == 3
    assert page.words() == "Test image 0 of class <b>bold</b>, reconstructed"
    page.part("starts").find_elements("tag name", "button")[1].click()
    assert page.words() == 'Test image 1 of class a"b, reconstructed'
    assert window.find_elements("tag name", "b") != []  # those of the page itself
    assert not any(element.text == "bold" for element in window.find_elements("tag name", "b"))
    assert page.script("document.documentElement.scrollWidth") <= 1400
    assert script_errors(window) == []


def test_one_of_many_classes_is_chosen_from_a_list(window: Chrome, tmp_path: Path) -> None:
    names = tuple(f"class {number}" for number in range(60))
    page = show(window, tmp_path, page_run(names, **CUSTOM))
    chooser = page.part("classes").find_element("tag name", "select")
    chooser.send_keys("class 17")
    assert page.script(f"{EXPLORER}.map.only") == 17
    chooser.send_keys(Keys.HOME)
    assert page.script(f"{EXPLORER}.map.only") is None
    starts = page.part("starts").find_elements("tag name", "button")
    assert len(starts) == 60
    starts[59].click()
    assert page.words() == "Test image 59 of class class 59, reconstructed"


def test_single_class_has_two_different_ends(window: Chrome, tmp_path: Path) -> None:
    page = show(window, tmp_path, page_run(("only",), **CUSTOM))
    anchors = page.script(f"['A', 'B'].map((name) => [...{EXPLORER}.anchors[name]])")
    assert anchors[0] != anchors[1]
    assert page.words() == "Test image 0 of class only, reconstructed"


def test_image_stands_beside_its_reconstruction_and_goes_with_it(shown: Shown) -> None:
    original = shown.part("original")
    assert original.text == "the image itself"
    first = int(np.flatnonzero(shown.run.data.test.labels == 1)[0])
    pixels = "[...arguments[0].getContext('2d').getImageData(0, 0, 16, 16).data]"
    levels = np.array(shown.script(pixels, original.find_element("tag name", "canvas")))[::4]
    assert (levels == shown.run.data.test.images[first].ravel()).all()
    shown.part("sample").click()
    shown.settle()
    assert original.text == "no image was encoded"
    assert sum(shown.script(pixels, original.find_element("tag name", "canvas"))) == 0
    assert shown.part("image-words").text == "decoded from the code"


@pytest.mark.parametrize("width", [1400, 390])
def test_page_is_no_wider_than_the_screen(window: Chrome, tmp_path: Path, width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page = show(window, tmp_path, page_run(latent_dim=30))
        assert page.script("document.documentElement.scrollWidth") <= width
    finally:
        window.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_print_has_the_pictures_side_by_side_and_no_controls(shown: Shown) -> None:
    printed = base64.b64decode(shown.window.print_page())
    assert printed.count(b"/Type /Page\n") <= 9  # twice as many if charts and pictures stand below each other
    shown.window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        hidden = "return [...document.querySelectorAll('nav, button, input')].every(part => !part.checkVisibility())"
        assert shown.window.execute_script(hidden)
    finally:
        shown.window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_page_works_in_a_sandboxed_frame_from_a_blob(window: Chrome, tmp_path: Path) -> None:
    """As MLflow's artifact viewer shows it: of an origin of its own, without storage."""
    page = json.dumps(render_report(page_run()).decode()).replace("<", "\\u003c")
    (tmp_path / "viewer.html").write_text(
        "<!DOCTYPE html><meta charset=utf-8><iframe sandbox='allow-scripts' width=1200 height=800></iframe><script>"
        f"const page = new Blob([{page}], {{type: 'text/html'}});"
        "document.querySelector('iframe').src = URL.createObjectURL(page);</script>"
    )
    window.get((tmp_path / "viewer.html").as_uri())
    window.switch_to.frame(0)
    try:
        wait_until(
            window, lambda _: window.execute_script("return document.querySelector('[data-part=words]')?.textContent")
        )
        window.find_element("css selector", '[data-part="sample"]').click()
        words = "return document.querySelector('[data-part=words]').textContent"
        wait_until(window, lambda _: window.execute_script(words) == "Sample 1 from the prior")
    finally:
        window.switch_to.default_content()
    assert script_errors(window) == []


def test_two_systems_are_steered_together(window: Chrome, tmp_path: Path) -> None:
    runs = {"vae": page_run(), "plain": page_run(**KINDS["plain autoencoder"]), "mlp": page_run(**KINDS["plane"])}
    changes = {"vae": {}, "plain": KINDS["plain autoencoder"], "mlp": KINDS["plane"]}
    compared = [
        Compared(
            System(name, tiny_params(**changes[name]), 1.0, 0.5),
            {"kl_nats": 1.0, "mse_minus1_to_1": 0.5},
            render_report(run).decode(),
        )
        for name, run in runs.items()
    ]
    path = tmp_path / "comparison.html"
    path.write_bytes(render_comparison(compared, "digits"))
    window.set_window_size(1400, 900)
    window.get(path.as_uri())

    def told(part: str = "words") -> list[str]:
        wait_until(
            window,
            lambda _: window.execute_script(
                "const explorers = [...document.querySelectorAll('[data-explorer]')];"
                "return explorers.every(({explorer}) => explorer.pending === null)"
            ),
        )
        return [element.text for element in window.find_elements("css selector", f'[data-part="{part}"]')]

    selects = window.find_elements("tag name", "select")
    assert [select.get_property("value") for select in selects] == ["plain", "vae"]
    window.find_element("css selector", '[data-start="4"]').click()
    number = int(np.flatnonzero(runs["vae"].data.test.labels == 4)[0])
    assert told() == 2 * [f"Test image {number} of class 4, reconstructed"]
    window.find_element("css selector", '[data-part="share"]').send_keys(Keys.END)
    assert told() == 2 * ["100 % of the way from A to B"]
    # Another system, of another size, shows what the former one showed.
    selects[1].send_keys("mlp")
    assert told() == 2 * ["100 % of the way from A to B"]
    window.find_element("css selector", '[data-part="sample"]').click()
    assert told() == ["Sample 1 from a Gaussian fitted to codes", "Sample 1 from the prior"]
    assert script_errors(window) == []


def test_comparison_is_no_wider_than_a_phone(window: Chrome, tmp_path: Path) -> None:
    page = render_report(page_run()).decode()
    names = ["autoencoder-of-a-long-name", "another-system-of-a-long-name"]
    numbers = {"kl_nats": 1.0, "mse_minus1_to_1": 0.5, "elbo_nats": -1234.5}
    compared = [Compared(System(name, tiny_params(), 1.0, 0.5), numbers, page) for name in names]
    (tmp_path / "comparison.html").write_bytes(render_comparison(compared, "digits"))
    metrics = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        window.get((tmp_path / "comparison.html").as_uri())
        assert window.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        window.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_drawings_are_scaled_and_centred_as_the_data_sets_are(shown: Shown) -> None:
    random = np.random.default_rng(0)
    for height, width, rows, columns in (
        (28, 28, 32, 32),
        (28, 28, 28, 28),
        (90, 40, 20, 9),
        (8, 8, 16, 16),
        (3, 50, 1, 20),
    ):
        image = random.integers(0, 256, (height, width)).astype(np.uint8)
        made = shown.script(
            "[...resize(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4])]",
            image.ravel().tolist(),
            height,
            width,
            rows,
            columns,
        )
        expected = np.asarray(Image.fromarray(image).resize((columns, rows), Image.Resampling.BILINEAR), float)
        assert np.abs(np.array(made).reshape(rows, columns) - expected).max() <= 1.01  # Pillow rounds twice
    ink = np.zeros((280, 280))
    ink[20:120, 200:230] = 255  # in a corner, of a third of its height
    kind = {"side": 28, "box": 20, "by_mass": True, "ground": 0}
    made = shown.script("[...asDataSetImage(arguments[0], 280, 28, arguments[1])]", ink.ravel().tolist(), kind)
    image = np.array(made).reshape(28, 28)
    rows, columns = (np.flatnonzero(image.sum(axis=axis)) for axis in (1, 0))
    assert [len(rows), len(columns)] == [20, 6]
    assert (image * np.arange(28)[:, None]).sum() / image.sum() == pytest.approx(13.5, abs=0.5)
    assert (image * np.arange(28)).sum() / image.sum() == pytest.approx(13.5, abs=0.5)
    assert shown.script("asDataSetImage(arguments[0], 280, 28, arguments[1])", (ink * 0).ravel().tolist(), kind) is None


def test_scripts_compute_lerp_slerp_and_normal_noise(shown: Shown) -> None:
    ends = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    for name, path in (("lerp", lerp), ("slerp", slerp)):
        made = shown.script(
            f"[0, 0.25, 0.5, 0.75, 1].map((share) => {name}(arguments[0], arguments[1], share))", *ends.tolist()
        )
        expected = path(ends, 5)
        assert expected is not None
        assert np.abs(np.array(made) - expected.numpy()).max() < 1e-5
    assert shown.script("slerp([0, 0], [1, 1], 0.5)") is None
    assert shown.script("slerp([1, 0], [-1, 0], 0.5)") is None
    assert shown.script("slerp([1, 0], [2, 0], 0.5)") == [1.5, 0]
    noise = np.array(shown.script("[...normals(20000, 3)]"))
    assert abs(noise.mean()) < 0.03
    assert abs(noise.std() - 1) < 0.03
    assert abs((noise**4).mean() - 3) < 0.3
    assert abs(np.corrcoef(noise[:-1], noise[1:])[0, 1]) < 0.03
    codes = (
        np.random.default_rng(0).standard_normal((40, 3)) @ np.array([[2, 1, 0], [0, 1, 0], [0, 0, 0.1]]) + 5
    ).tolist()
    drawn = np.array(shown.script("[...Array(3000).keys()].map((seed) => drawLike(arguments[0], seed))", codes))
    np.testing.assert_allclose(drawn.mean(axis=0), np.mean(codes, axis=0), atol=0.15)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(np.transpose(codes), bias=True), atol=0.35)
