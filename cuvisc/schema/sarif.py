"""Diagnostics as SARIF 2.1.0, the form that code-scanning services and editors read. Pure Python."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import PurePath
from urllib.parse import quote

from cuvisc.schema.codes import CODES
from cuvisc.schema.diagnostics import Diagnostic, Diagnostics
from cuvisc.schema.document import Span

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
Json = dict[str, object]


def render_sarif(checked: Iterable[Diagnostics], version: str) -> str:
    """One log with one run of this version of cuvisc: findings of several specs, and the rule behind each code."""
    found = list(dict.fromkeys(finding for diagnostics in checked for finding in diagnostics))
    codes = sorted({finding.code for finding in found})
    driver = {"name": "cuvisc", "version": version, "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, codes.index(finding.code)) for finding in found],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False)


def _rule(code: str) -> Json:
    page = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": page.title},
        "fullDescription": {"text": page.explanation},
        "defaultConfiguration": {"level": "warning" if code.startswith("W") else "error"},
    }


def _result(finding: Diagnostic, rule: int) -> Json:
    texts = [finding.message, *(text for text in (finding.label, finding.help) if text)]
    result: Json = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.severity,
        "message": {"text": ". ".join(texts)},
    }
    if finding.span is not None:
        result["locations"] = [_location(finding.span)]
    if finding.notes:
        result["relatedLocations"] = [
            {**_location(span), "message": {"text": text}} for span, text in finding.notes
        ]
    return result


def _location(span: Span) -> Json:
    place: Json = {"artifactLocation": {"uri": _uri(span.file)}}
    if span.line:
        place["region"] = {
            "startLine": span.line,
            "startColumn": span.column,
            "endColumn": span.column + max(span.length, 1),
        }
    return {"physicalLocation": place}


def _uri(file: str) -> str:
    """A path as a URI reference; one that is relative stays so, as code-scanning services want it."""
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
