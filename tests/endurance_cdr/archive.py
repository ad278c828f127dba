"""An archive after fifty kills, and after thousands of damaged files."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from typing import Any

from sinchvoice import cdr
from sinchvoice.cdr import LAYOUTS
from sinchvoice.sandbox import cdr_files

DAMAGED = 10_000


def checks() -> Any:
    """The tests whose checks are used here, which are no package."""
    path = Path(__file__).parent.parent / "test_cdr_archive.py"
    spec = importlib.util.spec_from_file_location("archive_checks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_after_fifty_kills_the_tables_are_what_they_would_be_without(tmp_path: Path):
    checks().check_kills(tmp_path, 50, random.Random(2))


def test_of_damaged_files_every_record_is_accounted_for(tmp_path: Path):
    check = checks()
    dice = random.Random(3)
    contents = [
        check.generated(20, layout=dice.choice(list(LAYOUTS)), seed=seed, quoted=seed % 3 / 10)
        for seed in range(40)
    ]
    for part in range(10):
        with cdr.Archive(tmp_path / f"{part}.duckdb") as archive:
            for _ in range(DAMAGED // 10):
                check.check_damaged(archive, cdr_files.damaged(dice.choice(contents), dice))
