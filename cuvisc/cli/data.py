"""``cuvisc data``: a scene that comes with a Python package, as a file that the other verbs read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import SpecError


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def data(
        scene: Annotated[str, typer.Argument(help="Name of the scene: indian-pines.", metavar="SCENE")],
        output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .npz.")],
        anomaly_class: Annotated[
            int | None, typer.Option("--anomaly-class", help="Class that the mask is 1 on.")
        ] = None,
        force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    ) -> None:
        """Write a public scene with its ground truth.

        The file holds cube, mask, labels and wavelengths.

        Example: cuvisc data indian-pines -o indian_pines.npz
        """
        import numpy as np

        from cuvisc.runtime.atomic import atomic_file, refuse_existing
        from cuvisc.runtime.data.scenes import SCENES

        if scene not in SCENES:
            hint = did_you_mean(scene, list(SCENES))
            raise SpecError(
                f"there is no scene `{scene}`; there is {', '.join(SCENES)}{f'. {hint}' if hint else ''}"
            )
        if output.suffix.lower() != ".npz":
            raise SpecError(f"{output}: scenes are written as .npz; give a name that ends in .npz")
        refuse_existing(output, force)
        load, default_class = SCENES[scene]
        found = load()
        arrays = {
            "cube": found.cube,
            "mask": found.mask(anomaly_class or default_class),
            "labels": found.labels,
        }
        if found.wavelengths is not None:
            arrays["wavelengths"] = found.wavelengths
        with atomic_file(output, force=force) as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
        shape = "x".join(map(str, found.cube.shape))
        print(f"{scene}: {shape} {found.cube.dtype}, {int(arrays['mask'].sum())} anomalous pixels")
        print(output)
