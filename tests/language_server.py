"""A client of yaml-language-server, the server behind YAML in most editors, over its standard input and output."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WAIT_S = 60
FOLDER_VARIABLE = "CUVISC_YAML_LANGUAGE_SERVER"
DEFAULT_FOLDER = Path(__file__).parents[1] / "build" / "yaml-language-server"


def server() -> Path | None:
    """The server's program where node and the package are installed (`make language-server`), else None."""
    folder = Path(os.environ.get(FOLDER_VARIABLE, DEFAULT_FOLDER))
    program = folder / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
    return program if shutil.which("node") and program.is_file() else None


class Client:
    """One running server with one schema for every YAML file; use as a context manager."""

    def __init__(self, program: Path, schema: Path, folder: Path) -> None:
        self._settings = {
            "yaml": {"schemas": {schema.as_uri(): "*.yaml"}, "validate": True, "completion": True}
        }
        self._folder = folder
        self._process = subprocess.Popen(
            ["node", str(program), "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._number = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Client:
        root = self._folder.as_uri()
        capabilities = {"workspace": {"configuration": True}, "textDocument": {"completion": {}}}
        self._ask("initialize", {"processId": None, "rootUri": root, "capabilities": capabilities})
        self._send({"method": "initialized", "params": {}})
        self._send({"method": "workspace/didChangeConfiguration", "params": {"settings": self._settings}})
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def open(self, name: str, text: str) -> list[dict[str, Any]]:
        """Open a document; what the server has against it."""
        document = {"uri": self._uri(name), "languageId": "yaml", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return list(self._await("textDocument/publishDiagnostics", self._uri(name))["diagnostics"])

    def complete(self, name: str, line: int, character: int) -> list[dict[str, Any]]:
        """What is offered at a place that is counted from 0."""
        place = {"textDocument": {"uri": self._uri(name)}, "position": {"line": line, "character": character}}
        found = self._ask("textDocument/completion", place)
        return list(found["items"] if isinstance(found, Mapping) else found or [])

    def hover(self, name: str, line: int, character: int) -> str:
        """What is shown about a place that is counted from 0."""
        place = {"textDocument": {"uri": self._uri(name)}, "position": {"line": line, "character": character}}
        found = self._ask("textDocument/hover", place)
        return str(found["contents"]["value"]) if found else ""

    def _uri(self, name: str) -> str:
        return (self._folder / name).as_uri()

    def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._next()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message
                return message.get("result")

    def _await(self, method: str, uri: str) -> Any:
        while True:
            message = self._next()
            if message.get("method") == method and message["params"]["uri"] == uri:
                return message["params"]

    def _next(self) -> dict[str, Any]:
        message = self._answers.get(timeout=WAIT_S)
        if message.get("method") == "workspace/configuration":
            wanted = [self._settings.get(item.get("section"), {}) for item in message["params"]["items"]]
            self._send({"id": message["id"], "result": wanted})
        elif "id" in message and "method" in message:
            self._send({"id": message["id"], "result": None})
        return message

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while header := stream.readline():
            length = int(header.split(b":")[1])
            while stream.readline().strip():
                pass
            self._answers.put(json.loads(stream.read(length)))
