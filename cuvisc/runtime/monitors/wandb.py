"""Losses, metrics, figures and hyper-parameters to Weights & Biases. `wandb` is imported when a run starts.

A start that fails online leaves wandb's own process in a state that hangs the next start, so the mode is decided
before: without a key, or without an answer from the server, the run is kept offline. No key is ever written here.
"""

from __future__ import annotations

import netrc
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cuvisc.language.declare import Param
from cuvisc.language.leaf import MonitoringNode
from cuvisc.runtime.monitors.hyper_parameters import hyper_parameters
from cuvisc.runtime.monitors.pictures import figure_pixels
from cuvisc.runtime.monitors.service import why_unreachable
from cuvisc.runtime.progress import log

if TYPE_CHECKING:
    from torch import Tensor

STEP = "global_step"
_MODES = ("online", "offline", "disabled")
_ANSWER_SECONDS = 3.0
_START_SECONDS = 6.0
_UPLOAD_SECONDS = 30.0
# wandb would otherwise announce where it found a key, and send reports of its own crashes.
_QUIET = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
_KEYS = ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")
_OLD_MODES = {"run": "online", "shared": "online", "dryrun": "offline"}


class WandBMonitor(MonitoringNode):
    """Report to Weights & Biases: every loss, metric and figure, histograms of weights and gradients, the spec.

    The environment variable WANDB_MODE stands above `mode`. Without an API key, or where the server does not answer,
    the run is kept offline; without the package `wandb` it is not reported. Either is one warning, and training goes
    on. Uploading what is left at the end is given up after 30 s; `wandb sync` sends it later. A resumed run goes on
    under the id it had; where it is kept offline, `wandb sync --append` sends both parts as one.
    """

    aliases = ("cuvis_ai.training.monitors.WandBMonitor",)
    project: str = Param("cuvisc", "project that the run belongs to")
    entity: str | None = Param(None, "user or team that the project belongs to; null: that of the API key")
    name: str | None = Param(None, "name of the run; null: the graph's name")
    tags: list[str] = Param([], "words that runs can be found by")
    notes: str | None = Param(None, "a description of the run")
    mode: str = Param("online", "where the run goes; offline keeps it in `log_dir`", choices=_MODES)
    log_dir: str | None = Param(None, "folder for wandb's own files; null: the run folder")

    _run: Any = None
    _package: Any = None

    def setup(self, run_info: dict[str, Any]) -> None:
        self._run = None
        mode = asked_mode(self.mode)
        if mode == "disabled":
            return
        for variable, value in _QUIET.items():
            os.environ.setdefault(variable, value)
        try:
            wandb = self._package = import_module("wandb")
        except ImportError:
            log.warning(
                "WandBMonitor: the package wandb is not installed (pip install 'cuvisc[monitors]'); "
                "the run goes on without it"
            )
            return
        folder = Path(self.log_dir or run_info["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        reason = why_not_online(wandb.setup().settings) if mode == "online" else None
        if reason is not None:
            mode = "offline"
            log.warning(
                "WandBMonitor: %s; the run goes on, and is kept offline in %s", reason, folder / "wandb"
            )
        try:
            self._run = self._start(run_info, folder, mode)
        except wandb.Error as error:
            log.warning("WandBMonitor: %s; the run goes on without it", str(error).partition("\n")[0])

    def log_metrics(self, metrics: dict[str, float], step: int, stage: str) -> None:
        self._log(dict(metrics), step)

    def log_artifact(self, artifact: dict[str, Any], name: str, step: int, stage: str) -> None:
        if self._run is not None and artifact.get("figure") is not None:
            image = self._package.Image(figure_pixels(artifact["figure"]))
            self._log({f"{stage}/figure/{name}": image}, step)

    def log_tensors(self, tensors: dict[str, Tensor], step: int, stage: str) -> None:
        if self._run is not None:
            histogram = self._package.Histogram
            finite = {name: values[values.isfinite()] for name, values in tensors.items()}
            shown = {name: histogram(v.float().numpy(force=True)) for name, v in finite.items() if v.numel()}
            self._log(shown, step)

    def close(self) -> None:
        if self._run is not None:
            self._run.finish()
            self._run = None

    def _start(self, run_info: dict[str, Any], folder: Path, mode: str) -> Any:
        run = self._package.init(
            project=self.project,
            entity=self.entity,
            name=self.name or run_info.get("name"),
            tags=self.tags,
            notes=self.notes,
            mode=mode,
            id=run_info.get("id"),
            resume="allow" if mode == "online" and run_info.get("resumed") is not None else None,
            dir=folder,
            config=hyper_parameters(run_info),
            reinit="create_new",
            settings=self._package.Settings(
                silent=True,
                console="off",
                disable_git=True,
                disable_code=True,
                symlink=False,
                login_timeout=_START_SECONDS,
                init_timeout=_START_SECONDS,
                finish_timeout=_UPLOAD_SECONDS,
                x_service_wait=_START_SECONDS,
            ),
        )
        run.define_metric(STEP, hidden=True)
        run.define_metric("*", step_metric=STEP, step_sync=True)
        return run

    def _log(self, values: dict[str, Any], step: int) -> None:
        # Validation reports at steps that training has passed, so the step is a value like any other.
        if self._run is not None:
            self._run.log({**values, STEP: step, **({} if self.epoch is None else {"epoch": self.epoch})})


def asked_mode(mode: str) -> str:
    """WANDB_MODE where it is set to something known, else `mode`."""
    value = os.environ.get("WANDB_MODE", "").strip().lower()
    value = _OLD_MODES.get(value, value)
    return value if value in _MODES else mode


def why_not_online(settings: Any) -> str | None:
    """Why a run cannot be sent with these settings of wandb; None where it can."""
    host = urlsplit(settings.base_url).netloc
    given = settings.api_key or settings.identity_token_file or any(os.environ.get(name) for name in _KEYS)
    if not given and not _has_login(host):
        return f"no API key for {host} (`wandb login` or WANDB_API_KEY)"
    reason = why_unreachable(settings.base_url, _ANSWER_SECONDS)
    return None if reason is None else f"{host} cannot be reached ({reason})"


def _has_login(host: str) -> bool:
    """Whether `wandb login` has left an entry for the host; the two names of the public server are one."""
    hosts = (host, "api.wandb.ai") if host.endswith(".coreweave.com") else (host,)
    named = [os.environ["NETRC"]] if os.environ.get("NETRC") else ["~/.netrc", "~/_netrc"]
    for path in map(Path, named):
        try:
            entries = netrc.netrc(path.expanduser())
        except (OSError, netrc.NetrcParseError):
            continue
        if any(entries.authenticators(name) for name in hosts):
            return True
    return False
