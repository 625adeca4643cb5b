"""Start `mlflow ui` on this machine for the store of the runs, and print the address of its page.

If MLFLOW_TRACKING_URI names a tracking server, only print the address of the page on that server.
"""

import argparse
import os
import sys

from command import ROOT, run_command

from mnist_vae.console.stage import without_password
from mnist_vae.tracking.page import VIEW
from mnist_vae.tracking.store import failures_in_a_line, open_store, store_address


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=5000, help="port of the server (default: 5000)")
    port = parser.parse_args().port
    with failures_in_a_line():
        address, experiment = store_address(ROOT), open_store(ROOT).experiment_id
    is_server = address.startswith("http")
    server = without_password(address).rstrip("/") if is_server else f"http://127.0.0.1:{port}"
    view = f"workflowType=machine_learning&viewStateShareKey={VIEW}"
    print(f"Runs: {server}/#/experiments/{experiment}/runs?{view}", flush=True)
    if is_server:
        return
    # The store is named, because MLflow prefers a folder mlruns, which an older MLflow may have left here.
    os.environ["MLFLOW_BACKEND_STORE_URI"] = address  # not an argument, which every user of the machine can see
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", *options])  # noqa: S606 (no shell is wanted)


if __name__ == "__main__":
    run_command(main)
