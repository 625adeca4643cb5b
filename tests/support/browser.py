"""A real browser for the project's pages, without access to other networks."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

T = TypeVar("T")
_SECONDS = 120  # timeout for a page, long enough for a busy machine


@contextmanager
def chromium(folder: Path, *, network: bool) -> Iterator[Chrome]:
    """A headless Chromium with a fresh profile in `folder`. It reaches only 127.0.0.1, or nothing without `network`.

    Skips the test if Chromium or its driver is not installed.
    """
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("chromium or chromedriver is not installed")
    options = ChromeOptions()
    options.binary_location = browser
    for flag in (
        "--headless=new",
        "--no-sandbox",  # a container's root may not use the sandbox
        "--disable-gpu",
        "--disable-dev-shm-usage",  # a container's /dev/shm is small
        "--disable-background-networking",
        "--no-first-run",
        "--no-proxy-server",
        f"--user-data-dir={folder / 'profile'}",
        f"--host-resolver-rules=MAP * ~NOTFOUND{', EXCLUDE 127.0.0.1' if network else ''}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    window = Chrome(options=options, service=Service(executable_path=driver))
    try:
        window.set_page_load_timeout(_SECONDS)
        window.set_script_timeout(_SECONDS)
        window.get("about:blank")  # instead of the browser's start page, which is still loading
        yield window
    finally:
        window.quit()


def wait_until(window: Chrome, condition: Callable[[Chrome], T]) -> T:
    """What the condition gives for the window as soon as that is true. Selenium itself would ask every half second."""
    return WebDriverWait(window, _SECONDS, poll_frequency=0.05).until(condition)


def requested_addresses(window: Chrome) -> list[str]:
    """The addresses that its pages requested since the last call, answered or not."""
    events = [json.loads(entry["message"])["message"] for entry in window.get_log("performance")]
    asked = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    # The browser's own start page requests parts of the browser.
    return [one["request"]["url"] for one in asked if not one["documentURL"].startswith("chrome")]


def script_errors(window: Chrome) -> list[str]:
    """The errors in its console since the last call."""
    return [entry["message"] for entry in window.get_log("browser") if entry["level"] == "SEVERE"]
