"""`make audit`, check by check; the data base of vulnerabilities is a server of the tests."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from audit import audit_code, audit_environment, audit_lock, audit_vulnerabilities
from working_copy import REPOSITORY

HASH = f"--hash=sha256:{'0' * 64}"


class _Osv(BaseHTTPRequestHandler):
    """Knows one vulnerability, of the package tqdm."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        package = {"name": "tqdm", "ecosystem": "PyPI"}
        ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]
        bug = {"id": "PYSEC-1", "summary": "bad", "affected": [{"package": package, "ranges": ranges}]}
        content = json.dumps({"vulns": [bug]} if asked["package"]["name"] == "tqdm" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def osv() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Osv)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def _lock(folder: Path, *lines: str) -> Path:
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in lines))
    return folder


def test_this_repositorys_lock_and_code_are_good() -> None:
    assert audit_lock(REPOSITORY).good
    assert audit_code(REPOSITORY).good


@pytest.mark.parametrize("line", ["tqdm==4.70.1", f"tqdm>=4 {HASH}", "tqdm"])
def test_package_without_version_or_hash_is_bad(tmp_path: Path, line: str) -> None:
    finding = audit_lock(_lock(tmp_path, "# a comment", f"pyyaml==6.0.3 \\\n    {HASH}", line))
    assert not finding.good
    assert "does not pin tqdm" in finding.text


def test_package_that_is_not_locked_is_bad(tmp_path: Path) -> None:
    finding = audit_environment(_lock(tmp_path, f"tqdm==4.70.1 {HASH}"))
    assert not finding.good
    assert finding.text.endswith("make setup")


def test_dangerous_code_is_bad(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "module.py").write_text("import pickle\n\nprint(pickle.loads(b''))\n")
    finding = audit_code(tmp_path)
    assert not finding.good
    assert "S301" in finding.text


def test_known_vulnerability_is_bad_and_named(tmp_path: Path, osv: str) -> None:
    finding = audit_vulnerabilities(_lock(tmp_path, f"pyyaml==6.0.3 {HASH}", f"tqdm==4.70.1 {HASH}"), osv)
    assert (finding.good, finding.text) == (False, "known vulnerabilities: tqdm 4.70.1: PYSEC-1")


def test_packages_without_known_vulnerability_are_good(tmp_path: Path, osv: str) -> None:
    finding = audit_vulnerabilities(_lock(tmp_path, f"pyyaml==6.0.3 {HASH}"), osv)
    assert (finding.good, finding.text) == (True, "no known vulnerability in 1 packages")


def test_without_a_network_it_says_that_this_was_not_done(tmp_path: Path) -> None:
    finding = audit_vulnerabilities(_lock(tmp_path, f"pyyaml==6.0.3 {HASH}"), "http://127.0.0.1:9/v1/query")
    assert finding.good is None
    assert finding.text.startswith("known vulnerabilities were not looked up: ")
