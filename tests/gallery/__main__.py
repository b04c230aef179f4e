"""`python -m tests.gallery` writes the pages; with `accept` it first takes today's answers as the right ones."""

from __future__ import annotations

import sys
from dataclasses import replace

from .cases import PAGES, STAGES, pages, read, write

if sys.argv[1:] == ["accept"]:
    for stage in STAGES:
        write(stage, [replace(case, answer=case.run()) for case in read(stage)])
PAGES.mkdir(parents=True, exist_ok=True)
for path, text in pages():
    path.write_text(text, encoding="utf-8")
