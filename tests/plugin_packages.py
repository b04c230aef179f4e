"""Installs the package of types under tests/plugins into a temporary folder, as pip leaves a distribution there."""

from __future__ import annotations

import shutil
from pathlib import Path

PROJECT = Path(__file__).parent / "plugins" / "spectral_extras"
PACKAGE = PROJECT / "spectral_extras"


def install(target: Path, header: bool | str = True, name: str = "spectral_extras") -> Path:
    """The package with its header, without one, or with another text for it; returns the folder for `sys.path`."""
    shutil.copytree(PACKAGE, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    path = target / name / "cuvisc.schema.json"
    if isinstance(header, str):
        path.write_text(header, encoding="utf-8")
    elif not header:
        path.unlink()
    announce(target, name)
    return target


def announce(target: Path, package: str) -> None:
    """Write what an installer writes about a distribution that announces a package of types."""
    info = target / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[console_scripts]\nx = y:z\n\n[cuvisc.nodes]\n{package} = {package}\n"
    )
