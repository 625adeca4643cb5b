"""The browser of the tests reaches what it may, and what it asks for is known."""

from pathlib import Path

import pytest
from selenium.common.exceptions import WebDriverException

from browser import chromium, requested_addresses, script_errors
from file_server import FileServer

_PAGE = b'<!DOCTYPE html><title>served</title><img src="https://example.org/image.png"><script>missing()</script>'


def test_browser_with_network_reaches_this_machine_and_nothing_else(server: FileServer, tmp_path: Path) -> None:
    server.files["page"] = _PAGE
    with chromium(tmp_path, network=True) as window:
        window.get(f"{server.address}/whole/page")
        assert window.title == "served"
        assert window.execute_script("return document.images[0].naturalWidth") == 0
        asked = requested_addresses(window)
        assert {f"{server.address}/whole/page", "https://example.org/image.png"} <= set(asked)
        errors = " ".join(script_errors(window))
        assert "ERR_NAME_NOT_RESOLVED" in errors
        assert "missing is not defined" in errors


def test_browser_without_network_reaches_not_even_this_machine(server: FileServer, tmp_path: Path) -> None:
    server.files["page"] = _PAGE
    with chromium(tmp_path, network=False) as window, pytest.raises(WebDriverException, match="ERR_NAME_NOT_RESOLVED"):
        window.get(f"{server.address}/whole/page")
    assert server.requested == []


def test_test_is_skipped_where_no_browser_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="not installed"), chromium(tmp_path, network=False):
        pass
