"""What an export proved, left in the run that it was made of, wherever the artifact went; and the page made again.

A report may fail, the export may not: what goes wrong here is one warning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cuvisc.runtime.atomic import write_text
from cuvisc.runtime.progress import log
from cuvisc.runtime.report.page import REPORT
from cuvisc.runtime.report.run_files import ENDED, EXPORT, RUN
from cuvisc.runtime.report.write import write_page
from cuvisc.runtime.run_folder import read_run
from cuvisc.schema.errors import CuviscError, DataError


def leave_export(
    run: Path, artifact: Path, evidence: Mapping[str, Any], trained: Mapping[str, Any] | None = None
) -> None:
    """Write export.json into a run folder, and its report anew where it has one.

    `trained` are the facts of the run when its weights were taken: another training in the folder has no part in them.
    """
    try:
        facts = read_run(run)
        if trained is not None and any(facts.get(name) != trained.get(name) for name in (RUN, ENDED)):
            raise DataError("the run was trained again since")
        # The run may be trained anew, or further, in the same folder: then this says nothing about it.
        of = {"artifact": str(artifact), RUN: facts.get(RUN), ENDED: facts.get(ENDED)}
        write_text(run / EXPORT, json.dumps({**of, **evidence}, indent=1, ensure_ascii=False) + "\n")
        if (run / REPORT).is_file():
            write_page(run)
    except (CuviscError, OSError) as error:
        log.warning("the report of %s does not show the export: %s", run, error)
