"""``cuvisc verify``: whether an artifact is what was exported, and still computes it on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cuvisc.cli.running import DeviceOption, ThreadsOption
from cuvisc.cli.speaking import VerboseOption


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def verify(
        artifact: Annotated[
            Path, typer.Argument(help="Folder that `cuvisc export` wrote.", metavar="ARTIFACT")
        ],
        device: DeviceOption = "cpu",
        threads: ThreadsOption = None,
        verbose: VerboseOption = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    ) -> None:
        """Check that an artifact is whole and computes as exported.

        Every checksum and the model are checked, and the recorded parity cases replayed on this device.

        Example: cuvisc verify artifact --device cuda
        """
        from cuvisc.runtime.artifact import Artifact
        from cuvisc.runtime.verification import verify_artifact

        found = verify_artifact(Artifact.open(artifact), device=device, threads=threads)
        if as_json:
            print(json.dumps(asdict(found)))
            return
        print(f"{found.files} files have their checksums")
        checker = "valid ONNX" if found.checker else "not checked: the onnx package is not installed"
        print(f"model: {checker}")
        print(
            f"parity: {found.outputs} outputs of {found.cases} cases on {found.provider}, "
            f"largest error {found.worst:.2g} of what is allowed"
        )
