"""The check of a page in a browser, for the tests in `tests/browser`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

#: Impacts of axe findings that fail a test.
SEVERE = {"serious", "critical"}


def check_page(page: Any, complaints: list[str]) -> None:
    """Check that a page fits its window, and that neither the browser nor axe complains.

    Args:
        page: The page, of Playwright.
        complaints: Messages in the browser's console, script errors, and requests to other hosts.
    """
    assert complaints == []
    needed, available = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert needed <= available
    page.evaluate(Path(os.environ["AXE"]).read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    severe = [
        (finding["id"], [node["html"][:200] for node in finding["nodes"]])
        for finding in found["violations"]
        if finding["impact"] in SEVERE
    ]
    assert severe == []
    assert len(found["passes"]) > 10
