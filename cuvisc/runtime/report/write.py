"""What `cuvisc train` leaves besides weights: report.npz and report.html. A report may fail, the run may not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cuvisc.runtime.atomic import write_text
from cuvisc.runtime.environment import without_secrets
from cuvisc.runtime.progress import log, timed
from cuvisc.runtime.report.evidence import EVIDENCE
from cuvisc.runtime.report.page import REPORT, make_page
from cuvisc.runtime.report.run_files import RUN
from cuvisc.runtime.run_folder import RunFolder

if TYPE_CHECKING:
    from cuvisc.compiler.module import CompiledGraph
    from cuvisc.runtime.config import TrainingConfig


def leave_report(
    folder: RunFolder,
    module: CompiledGraph | None = None,
    datamodule: Any = None,
    validates: bool = False,
    config: TrainingConfig | None = None,
) -> None:
    """Measure a trained module and write both files; without a module, as after a failure, the page of what is there.

    Whatever goes wrong is one warning.
    """
    if not folder.writes:
        return
    try:
        if module is not None:
            with timed("Report: measured"):
                _measure(folder, module, datamodule, validates, config)
        write_page(folder.path)
    except Exception as error:
        fact = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        log.warning("the report is incomplete: %s; everything else of the run is written", fact)


def write_page(folder: Path, path: Path | None = None, *, force: bool = True) -> Path:
    """Write the page of a run folder, to report.html inside it unless told otherwise; returns where."""
    page = make_page(folder)
    place = path or folder / REPORT
    write_text(place, page, force=force)
    return place


def _measure(
    folder: RunFolder,
    module: CompiledGraph,
    datamodule: Any,
    validates: bool,
    config: TrainingConfig | None,
) -> None:
    from cuvisc.runtime.report.collect import collect

    place = folder.path / EVIDENCE
    place.unlink(missing_ok=True)
    spec = module.graph.spec
    evidence = collect(
        module,
        datamodule,
        validates=validates,
        batches=_limit(config),
        wavelengths=folder.facts.get("input", {}).get("wavelengths"),
        public=lambda text: without_secrets(text, spec, datamodule),
    )
    evidence.facts[RUN] = folder.facts.get(RUN)
    evidence.write(place)
    overlap = evidence.facts.get("overlap")
    if overlap and overlap["shared"]:
        log.info(
            "Validation: %d of %d images are training images too, and its numbers better than on new data",
            overlap["shared"],
            overlap["of"],
        )


def _limit(config: TrainingConfig | None) -> int | None:
    """How many batches validation reads, None for all of them."""
    if config is None:
        return None
    if config.trainer.fast_dev_run:
        return int(config.trainer.fast_dev_run)
    limit = config.trainer.limit_val_batches
    return limit if isinstance(limit, int) and not isinstance(limit, bool) else None
