"""A made-up data set in MNIST's format that takes a second to train on, and a server that can serve it badly."""

import gzip
import hashlib
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import numpy as np

TRAIN_SIZE, TEST_SIZE = 160, 40
_MNIST_MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
_CONTENT_MD5 = {
    "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
}


class TinyFile(NamedTuple):
    name: str
    content: bytes


def tiny_files() -> list[TinyFile]:
    """Four files in MNIST's format. Each class is a bright bar at its own position, with noise."""
    random = np.random.default_rng(0)
    return [*_pair("train", TRAIN_SIZE, random), *_pair("t10k", TEST_SIZE, random)]


def put_in_place_of_mnist(datasets_file: Path) -> None:
    """Replace MNIST's checksums and sizes in a clone's catalogue.py by those of the tiny files."""
    text = datasets_file.read_text()
    for file in tiny_files():
        for known, content in (_MNIST_MD5, file.content), (_CONTENT_MD5, gzip.decompress(file.content)):
            assert text.count(known[file.name]) == 1
            text = text.replace(known[file.name], hashlib.md5(content).hexdigest())
    datasets_file.write_text(text.replace("60_000", str(TRAIN_SIZE), 1).replace("10_000", str(TEST_SIZE), 1))


class TinyServer:
    """Serves the tiny files below /whole, /truncated, /corrupt and /slow on a free port of 127.0.0.1, otherwise 404."""

    def __init__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        _, manner, name = self.path.split("/")
        content = {file.name: file.content for file in tiny_files()}.get(name)
        if content is None or manner not in {"whole", "truncated", "corrupt", "slow"}:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if manner == "slow":
            self._drip(content)
        elif manner == "truncated":
            self.wfile.write(content[: len(content) // 2])
        else:
            self.wfile.write(content if manner == "whole" else content[::-1])

    def _drip(self, content: bytes) -> None:
        try:
            for byte in content:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.2)
        except OSError:  # the client closed the connection
            pass

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def _pair(split: str, size: int, random: np.random.Generator) -> list[TinyFile]:
    labels = (np.arange(size) % 10).astype(np.uint8)
    images = random.integers(0, 40, (size, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4:24, 2 * label + 2 : 2 * label + 6] += 200
    header = bytes([0, 0, 8, 3]) + np.array(images.shape, ">u4").tobytes()
    label_header = bytes([0, 0, 8, 1]) + np.array([size], ">u4").tobytes()
    return [
        TinyFile(f"{split}-images-idx3-ubyte.gz", gzip.compress(header + images.tobytes(), mtime=0)),
        TinyFile(f"{split}-labels-idx1-ubyte.gz", gzip.compress(label_header + labels.tobytes(), mtime=0)),
    ]
