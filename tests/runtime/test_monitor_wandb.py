"""What training reports is in W&B's run file; without package, key or server there is one warning and no waiting."""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from monitored_run import EPOCHS, HEIGHT, WIDTH, red_figure, train_with
from PIL import Image
from wandb.proto.wandb_internal_pb2 import Record

from cuvisc.runtime import WandBMonitor
from cuvisc.runtime.monitors.wandb import asked_mode, why_not_online

KEY = "local-" + "5ec2e7" * 7
BLOCK, RECORD_HEAD, FILE_HEAD = 32768, 7, 7
FULL, LAST = 1, 4

ALONE = """
import logging, sys
from cuvisc.runtime.monitors.wandb import WandBMonitor
logging.basicConfig(format="%(levelname)s %(message)s")
monitor = WandBMonitor(project="p")
monitor.setup({"folder": sys.argv[1], "name": "small", "spec": {"training": {"seed": 1}}})
monitor.log_metrics({"train/loss/total": 1.5}, 3, "train")
monitor.close()
"""


def records(folder: Path) -> Iterator[Record]:
    """Records of the one run under `folder`: a log in blocks, each piece with CRC, length and kind."""
    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    position, whole = FILE_HEAD, b""
    while position + RECORD_HEAD <= len(data):
        left = BLOCK - position % BLOCK
        if left < RECORD_HEAD:
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        position += RECORD_HEAD
        whole += data[position : position + length]
        position += length
        if kind in (FULL, LAST):
            yield Record.FromString(whole)
            whole = b""


def history(folder: Path) -> list[dict[str, Any]]:
    """What was logged, one dict a call; nested values under `name.key`."""
    return [
        {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in records(folder)
        if record.WhichOneof("record_type") == "history"
    ]


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    folder = tmp_path_factory.mktemp("runs") / "run"
    monitor = WandBMonitor(project="cubes", entity="us", tags=["a", "b"], notes="why", mode="offline")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_MODE", raising=False)
        patch.setenv("WANDB_API_KEY", KEY)
        yield folder, train_with(monitor, folder)


def test_every_loss_and_metric_is_reported_with_the_value_of_the_runs_own_file(
    reported: tuple[Path, list[dict[str, Any]]],
) -> None:
    folder, lines = reported
    found = {
        (name, row["global_step"]): value
        for row in history(folder)
        for name, value in row.items()
        if name.startswith(("train/loss", "val/loss", "val/metric", "lr"))
    }
    assert {"train/loss/total", "val/metric/component_orthogonality_error"} <= {name for name, _ in found}
    assert found == pytest.approx({(line["name"], line["step"]): line["value"] for line in lines})


def test_epochs_are_reported_beside_the_values(reported: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, lines = reported
    epochs = {row["global_step"]: row["epoch"] for row in history(folder) if "train/loss/total" in row}
    assert epochs == {line["step"]: line["epoch"] for line in lines if line["name"] == "train/loss/total"}


def test_figures_are_images_of_the_size_they_were_drawn_in(
    reported: tuple[Path, list[dict[str, Any]]],
) -> None:
    folder, _ = reported
    named = [row["val/figure/sheet.path"] for row in history(folder) if "val/figure/sheet.path" in row]
    assert len(named) == EPOCHS
    (files,) = folder.glob("wandb/offline-run-*/files")
    pixels = np.asarray(Image.open(files / named[0]))
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert (pixels == [255, 0, 0]).all()


def test_weights_and_gradients_are_histograms(reported: tuple[Path, list[dict[str, Any]]]) -> None:
    rows = [row for row in history(reported[0]) if "weights/pca.components._type" in row]
    assert [row["global_step"] for row in rows] == [0, 4, 8]
    assert all(sum(row["gradients/pca.components.values"]) == 2 * 6 for row in rows)


def test_the_run_is_described_as_asked_and_holds_the_hyper_parameters(
    reported: tuple[Path, list[dict[str, Any]]],
) -> None:
    (run,) = [r.run for r in records(reported[0]) if r.WhichOneof("record_type") == "run"]
    assert (run.project, run.entity, run.display_name) == ("cubes", "us", "small")
    assert (list(run.tags), run.notes) == (["a", "b"], "why")
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["nodes"]["pca"] == {"type": "TrainablePCA", "n_components": 2, "trainable": True}
    assert config["training"]["trainer"]["max_epochs"] == EPOCHS
    assert config["training"]["optimizer"]["lr"] == 0.25
    assert config["training"]["optimizer"]["name"] == "adam"


def test_a_resumed_run_is_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    folder = tmp_path / "run"
    train_with(WandBMonitor(project="cubes", mode="offline"), folder)
    first = next(folder.glob("wandb/offline-run-*"))
    rows = len(history(folder))
    (tmp_path / "before").mkdir()
    first.rename(tmp_path / "before" / first.name)
    train_with(WandBMonitor(project="cubes", mode="offline"), folder, epochs=EPOCHS + 1, resume=True)
    (second,) = folder.glob("wandb/offline-run-*")
    id = json.loads((folder / "run.json").read_text())["id"]
    assert {path.name.rpartition("-")[2] for path in (first, second)} == {id}
    found = history(folder)
    assert len(found) < rows
    assert {row["epoch"] for row in found if "epoch" in row} == {EPOCHS}
    assert min(row["global_step"] for row in found) >= 4 * EPOCHS


def test_no_key_is_written(reported: tuple[Path, list[dict[str, Any]]]) -> None:
    written = [path for path in reported[0].rglob("*") if path.is_file()]
    assert written
    assert [path.name for path in written if KEY.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("variable", "mode", "wanted"),
    [
        (None, "offline", "offline"),
        ("", "online", "online"),
        ("disabled", "online", "disabled"),
        ("offline", "online", "offline"),
        ("online", "disabled", "online"),
        ("dryrun", "online", "offline"),
        ("nonsense", "offline", "offline"),
    ],
)
def test_the_environment_stands_above_the_spec(
    variable: str | None, mode: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    if variable is not None:
        monkeypatch.setenv("WANDB_MODE", variable)
    assert asked_mode(mode) == wanted


def test_disabled_writes_nothing_and_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setitem(sys.modules, "wandb", None)
    _report(WandBMonitor(), tmp_path)
    assert (caplog.messages, list(tmp_path.iterdir())) == ([], [])


def test_without_the_package_there_is_one_warning_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with caplog.at_level(logging.WARNING):
        _report(WandBMonitor(), tmp_path)
    assert "|".join(caplog.messages) == (
        "WandBMonitor: the package wandb is not installed (pip install 'cuvisc[monitors]'); "
        "the run goes on without it"
    )
    assert list(tmp_path.iterdir()) == []


def _report(monitor: WandBMonitor, folder: Path) -> None:
    monitor.setup({"folder": str(folder), "name": "small"})
    monitor.log_metrics({"train/loss/total": 1.0}, 0, "train")
    monitor.log_artifact({"figure": red_figure()}, "sheet", 0, "val")
    monitor.log_tensors({"weights/a": torch.ones(2)}, 0, "train")
    monitor.close()


class Refusing(BaseHTTPRequestHandler):
    """A server that is there, and accepts no key."""

    def do_HEAD(self) -> None:
        self.send_response(404)
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(401)
        self.end_headers()
        self.wfile.write(b"no such key")

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def nobody() -> str:
    """A port of this machine that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{held.getsockname()[1]}"


def settings(host: str, key: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(base_url=f"http://{host}", api_key=key, identity_token_file=None)


@pytest.fixture
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return tmp_path / "netrc"


def test_a_key_and_a_server_that_answers_are_enough_to_go_online(refusing: str, no_login: Path) -> None:
    assert why_not_online(settings(refusing, KEY)) is None


def test_the_entry_of_wandb_login_is_a_key(refusing: str, no_login: Path) -> None:
    no_login.write_text(f"machine {refusing}\n  login user\n  password {KEY}\n", encoding="utf-8")
    no_login.chmod(0o600)
    assert why_not_online(settings(refusing)) is None
    no_login.write_text("machine elsewhere\n  login user\n  password x\n", encoding="utf-8")
    assert why_not_online(settings(refusing)) == f"no API key for {refusing} (`wandb login` or WANDB_API_KEY)"


def test_nobody_is_asked_without_a_key(nobody: str, no_login: Path) -> None:
    assert why_not_online(settings(nobody)) == f"no API key for {nobody} (`wandb login` or WANDB_API_KEY)"


def _alone(folder: Path, host: str) -> subprocess.CompletedProcess[str]:
    """Report to a server in a process of its own: wandb reads its environment once a process."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
    environment |= {"WANDB_BASE_URL": f"http://{host}", "WANDB_API_KEY": KEY, "NETRC": str(folder / "netrc")}
    return subprocess.run(
        [sys.executable, "-c", ALONE, str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_server_that_is_down_leaves_the_run_offline(tmp_path: Path, nobody: str) -> None:
    done = _alone(tmp_path, nobody)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        f"WARNING WandBMonitor: {nobody} cannot be reached (Connection refused); the run goes on, and is kept "
        f"offline in {tmp_path / 'wandb'}\n"
    )
    assert [row["train/loss/total"] for row in history(tmp_path)] == [1.5]


def test_a_server_that_refuses_the_key_leaves_the_run_unreported(tmp_path: Path, refusing: str) -> None:
    done = _alone(tmp_path, refusing)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "WARNING WandBMonitor: no such key; the run goes on without it\n"
    assert [p.name for p in tmp_path.rglob("*") if p.is_file() and KEY.encode() in p.read_bytes()] == []
