"""Runs a notebook in a folder of its own; `python -m tests.notebook_runs` keeps today's outputs in the repository."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "examples" / "quickstart.ipynb"
_LONGEST_CELL = 300
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def read(path: Path) -> Any:
    """A notebook; raises for one that is not valid."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def run(notebook: Any, folder: Path) -> Any:
    """The notebook with the outputs of a run in `folder`; raises CellExecutionError at the first cell that fails."""
    # The kernel draws into the notebook, whatever this process draws on.
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as sockets:
        sockets_not_ports = {"transport": "ipc", "connection_file": f"{sockets}/kernel.json"}
        client = NotebookClient(
            nbformat.from_dict(notebook),
            config=Config(AsyncKernelManager=sockets_not_ports),
            kernel_name="python3",
            timeout=_LONGEST_CELL,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(folder)}},
        )
        return client.execute(env=environment)


def keep(path: Path) -> None:
    """Run a notebook and write it back with its outputs."""
    with tempfile.TemporaryDirectory() as folder:
        done = run(read(path), Path(folder))
    done.metadata = {"kernelspec": _KERNEL, "language_info": {"name": "python"}}
    nbformat.write(done, path)


if __name__ == "__main__":
    sys.exit(keep(QUICKSTART))
