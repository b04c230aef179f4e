"""Hydra's sweepers and launchers as a way to call one function for many lists of overrides.

Hydra composes nothing of ours and instantiates nothing but its own plugins: a job's configuration is Hydra's own
settings and the overrides as text, which only cuvisc's front end reads. Never torch or lightning.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from hydra import compose, initialize
from hydra._internal.callbacks import Callbacks
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigSource
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import SpecError

Job: TypeAlias = Callable[[Path, Sequence[str]], float]

# Plugins by Hydra's name for them: the package to install.
LAUNCHERS: Mapping[str, str] = {
    "basic": "hydra-core",
    "joblib": "hydra-joblib-launcher",
    "ray": "hydra-ray-launcher",
    "rq": "hydra-rq-launcher",
    "submitit_local": "hydra-submitit-launcher",
    "submitit_slurm": "hydra-submitit-launcher",
}
SWEEPERS: Mapping[str, str] = {
    "basic": "hydra-core",
    "ax": "hydra-ax-sweeper",
    "nevergrad": "hydra-nevergrad-sweeper",
    "optuna": "hydra-optuna-sweeper",
}
_AT_ONCE = {
    "joblib": "n_jobs",
    "submitit_local": "array_parallelism",
    "submitit_slurm": "array_parallelism",
}
_SETTING = re.compile(r"hydra\.(launcher|sweeper)\.[\w.]+=")


class _CarryOverrides(ConfigLoader):
    """Gives a job its overrides as they are, where Hydra's own loader would compose a configuration from them."""

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        config = copy.deepcopy(master_config)
        OmegaConf.set_readonly(config, False)
        OmegaConf.set_struct(config, False)
        config.hydra.overrides.task = list(sweep_overrides)
        config.overrides = list(sweep_overrides)
        return config

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        raise HydraException("cuvisc composes its own specs")

    def get_search_path(self) -> ConfigSearchPath:
        raise HydraException("cuvisc composes its own specs")

    def get_sources(self) -> list[ConfigSource]:
        return []

    def list_groups(self, parent_name: str) -> list[str]:
        return []

    def get_group_options(
        self,
        group_name: str,
        results_filter: ObjectType | None = ObjectType.CONFIG,
        config_name: str | None = None,
        overrides: list[str] | None = None,
    ) -> list[str]:
        return []

    def compute_defaults_list(self, config_name: str | None, overrides: list[str], run_mode: RunMode) -> Any:
        return []


class _Task:
    """What Hydra calls, here or in another process: the job with its folder and its overrides."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def __call__(self, config: Any) -> float:
        # Unresolved: what an override takes from the environment is resolved by the front end, and not written down.
        carried = OmegaConf.to_container(config, resolve=False)
        assert isinstance(carried, dict)
        return self.job(
            Path(HydraConfig.get().runtime.output_dir), [str(text) for text in carried["overrides"]]
        )


def is_setting(text: str) -> bool:
    """Whether an argument is a setting of Hydra's own, such as `hydra.launcher.n_jobs=2`."""
    return text.lstrip("+~").startswith(("hydra.", "hydra/"))


def settings_for(sweeper: str, launcher: str, jobs: int | None, given: Sequence[str]) -> list[str]:
    """Overrides of Hydra's own configuration; raises :class:`SpecError` for what is not installed or not known."""
    _require("launcher", launcher, LAUNCHERS)
    _require("sweeper", sweeper, SWEEPERS)
    for text in given:
        if not _SETTING.match(text) or "_target_" in text:
            raise SpecError(
                f"`{text}` is no setting of a sweep: those begin with hydra.launcher. or hydra.sweeper., "
                "as in hydra.sweeper.n_trials=20"
            )
    chosen = [f"hydra/launcher={launcher}", f"hydra/sweeper={sweeper}"]
    if jobs is not None and not (launcher == "basic" and jobs == 1):
        if launcher == "basic":
            raise SpecError("the launcher `basic` makes one run at a time; add --launcher joblib")
        if launcher not in _AT_ONCE:
            raise SpecError(
                f"--jobs means nothing to the launcher `{launcher}`; use its own hydra.launcher. settings"
            )
        chosen.append(f"hydra.launcher.{_AT_ONCE[launcher]}={jobs}")
    return [*chosen, *given]


def configure(folder: Path, settings: Sequence[str]) -> DictConfig:
    """Hydra's own configuration, and nothing else; raises :class:`SpecError` for a setting that Hydra refuses."""
    try:
        with initialize(version_base="1.3", config_path=None, job_name="cuvisc"):
            config = compose(
                overrides=[
                    "hydra/hydra_logging=none",
                    "hydra/job_logging=none",
                    "hydra.output_subdir=null",
                    "hydra.sweep.subdir='${hydra.job.num}'",
                    *settings,
                ],
                return_hydra_config=True,
            )
    except (HydraException, OmegaConfBaseException) as error:
        raise _refused(error) from error
    OmegaConf.set_struct(config, False)
    config.hydra.sweep.dir = str(folder)
    return config


def drive(job: Job, swept: Sequence[str], config: DictConfig) -> None:
    """Call the job for every combination that the sweeper makes of `swept`, in 0, 1, … of the configured folder.

    The job must not raise: what it returns is what a sweeper that searches makes smaller. Raises :class:`SpecError`
    where Hydra refuses a setting or an override.
    """
    try:
        sweeper = Plugins.instance().instantiate_sweeper(
            hydra_context=HydraContext(config_loader=_CarryOverrides(), callbacks=Callbacks()),
            task_function=_Task(job),
            config=config,
        )
        sweeper.sweep(list(swept))
    except (HydraException, OmegaConfBaseException) as error:
        raise _refused(error) from error
    finally:
        # sweep.json says what was swept; this would be Hydra's settings alone.
        (Path(str(config.hydra.sweep.dir)) / "multirun.yaml").unlink(missing_ok=True)


def _require(kind: str, name: str, packages: Mapping[str, str]) -> None:
    Plugins.instance()
    installed = [entry.removesuffix(".yaml") for entry in ConfigStore.instance().list(f"hydra/{kind}")]
    if name in installed:
        return
    if name in packages:
        raise SpecError(f"the {kind} `{name}` is not installed: pip install {packages[name]}")
    hint = did_you_mean(name, sorted({*installed, *packages}))
    raise SpecError(
        f"Hydra has no {kind} `{name}`; installed: {', '.join(sorted(installed))}{f'. {hint}' if hint else ''}"
    )


def _refused(error: Exception) -> SpecError:
    return SpecError(
        f"Hydra refuses the sweep: {str(error).strip().partition(chr(10))[0] or type(error).__name__}"
    )
