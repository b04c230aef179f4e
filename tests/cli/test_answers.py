"""Whatever goes wrong in a verb becomes one message on stderr and the exit code that the contract names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cli_runs
import pytest
import typer

import cuvisc
from cuvisc.cli import app as app_module
from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.errors import CuviscError, DataError, DeviceError, SpecError, VerificationError

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(cuvisc.__file__).parents[1])}
Fail = Callable[..., cli_runs.Run]


@pytest.fixture
def fail(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Run a verb that raises, and give back what a shell would see."""
    build_app = app_module.build_app

    def run(error: BaseException, *args: str) -> cli_runs.Run:
        def build() -> typer.Typer:
            app = build_app()

            @app.command()
            def fail() -> None:
                raise error

            return app

        monkeypatch.setattr(app_module, "build_app", build)
        return cli_runs.run(capsys, monkeypatch, *(args or ("fail",)))

    return run


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (CuviscError("general"), 1, "error: general\n"),
        (SpecError("bad call"), 2, "error: bad call\n"),
        (DataError("no such cube\nlook at x"), 3, "error: no such cube\nlook at x\n"),
        (VerificationError("3 flipped decisions"), 4, "error: 3 flipped decisions\n"),
        (DeviceError("no CUDA"), 5, "error: no CUDA\n"),
        (
            MemoryError("Unable to allocate 2.00 GiB for an array"),
            5,
            "error: the memory of this machine is full: 2.00 GiB more are wanted\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (
            ZeroDivisionError("division by zero"),
            1,
            (
                "error: internal error: ZeroDivisionError: division by zero\n"
                "This is a defect of cuvisc; `--debug` shows the traceback to report.\n"
            ),
        ),
        (
            RecursionError(),
            1,
            (
                "error: internal error: RecursionError\n"
                "This is a defect of cuvisc; `--debug` shows the traceback to report.\n"
            ),
        ),
        (DataError("\x1b[31mred"), 3, "error: \\x1b[31mred\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_every_error_has_its_code_and_its_message(
    fail: Fail, error: BaseException, code: int, text: str
) -> None:
    assert fail(error) == (code, "", text)


def test_a_spec_error_shows_its_diagnostics(fail: Fail) -> None:
    diagnostics = Diagnostics()
    diagnostics.error("E301", "unknown node `x`", None)
    assert fail(SpecError(diagnostics=diagnostics)) == (2, "", "error[E301]: unknown node `x`\n1 error\n")


@pytest.mark.parametrize("args", [("--debug", "fail"), ("fail", "--debug")], ids=" ".join)
def test_debug_shows_the_traceback(fail: Fail, args: tuple[str, ...]) -> None:
    found = fail(DataError("no such cube"), *args)
    assert found.code == 3
    assert found.err.startswith("Traceback (most recent call last):\n")
    assert found.err.endswith("DataError: no such cube\nerror: no such cube\n")


def test_usage_errors_are_exit_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for args in (
        ["no-such-verb"],
        ["nodes", "--no-such-option"],
        ["validate"],
        ["validate", "--format", "xml", "x"],
    ):
        found = cli_runs.run(capsys, monkeypatch, *args)
        assert (found.code, found.out) == (2, ""), args
        assert "Traceback" not in found.err


def test_a_script_that_raises_is_not_called_a_defect_of_cuvisc(tmp_path: Path) -> None:
    script = tmp_path / "sort.py"
    script.write_text(
        "from cuvisc.cli.answers import run_script\n"
        "def main(arguments):\n"
        "    return arguments[3]\n"
        "run_script(main)\n"
    )
    done = subprocess.run(
        [sys.executable, script], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "error: sort.py, line 3: IndexError: list index out of range\n"
        "This is not code of cuvisc; `--debug` shows the traceback.\n"
    )


def test_a_reader_that_goes_away_is_no_error() -> None:
    shell = f"{sys.executable} -m cuvisc schema | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{", "")


def test_a_reader_that_goes_away_ends_no_work(tmp_path: Path) -> None:
    """Every file is made, whatever is said of them; the exit code says so and is right."""
    program = (
        "import sys, pathlib, cuvisc.cli.answers as a\n"
        "def work(_):\n"
        "    for number in range(3):\n"
        "        print('x' * 100_000, flush=True)\n"
        "        print('y' * 100_000, file=sys.stderr, flush=True)\n"
        "        pathlib.Path(str(number)).touch()\n"
        "a.run_script(work)"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=ENVIRONMENT,
        cwd=tmp_path,
        stdout=writing,
        stderr=writing,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, sorted(os.listdir(tmp_path))) == (0, ["0", "1", "2"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize("args", [["nodes"], ["init", "rx", "-o", "-"]], ids=" ".join)
def test_stdout_on_a_full_disk_is_an_error_of_the_data(args: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cuvisc", *args],
            env=ENVIRONMENT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    message = "error: No space left on device: not all could be written; make room and run it again\n"
    assert (done.returncode, done.stderr) == (3, message)


@pytest.mark.skipif(os.name == "nt", reason="this shell closes no streams")
def test_closed_streams_are_no_error() -> None:
    shell = f"{sys.executable} -m cuvisc nodes RXGlobal >&- 2>&-"
    assert subprocess.run(["bash", "-c", shell], env=ENVIRONMENT, check=False).returncode == 0


def test_streams_of_narrow_encoding_do_not_fail(tmp_path: Path) -> None:
    (tmp_path / "größe.yaml").write_text("nodes: {é: {type: RXGlobal}}\n")
    done = subprocess.run(
        [sys.executable, "-m", "cuvisc", "validate", "größe.yaml"],
        cwd=tmp_path,
        env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (r"gr\xf6\xdfe.yaml:1:9: error[E108]: `\xe9` cannot name a node")


def test_an_interrupt_from_the_keyboard_is_exit_code_130(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys, cuvisc.cli.app as a, cuvisc.cli.specs as s\n"
        "import cuvisc.schema.front_end as f\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "f.read_spec = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.argv = ['cuvisc', 'validate', 'x.yaml']\n"
        "a.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
