"""A hundred thousand damaged files: every record is either read or rejected."""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from sinchvoice import CdrError, cdr
from sinchvoice.sandbox import FileForm, Planted, cdr_generator

FILES = 100_000


def files() -> Iterator[tuple[bytes, Any]]:
    """Yield damaged files of all layouts, half of them without the layout."""
    dice = random.Random(2026)
    originals = []
    for layout in cdr.LAYOUTS:
        made = io.BytesIO()
        form = FileForm(byte_order_mark=True)
        planted = Planted(multiline=3, forged=1)
        cdr_generator.write(made, 12, layout=layout, quoted=0.5, planted=planted, form=form)
        originals.append((made.getvalue(), layout))
    for number in range(FILES):
        content, layout = originals[number % 4]
        yield cdr_generator.damaged(content, dice), dice.choice([None, layout])


def test_a_hundred_thousand_damaged_files_are_accounted_for():
    seen: Counter[str] = Counter()
    for number, (content, layout) in enumerate(files()):
        sizes = (16, 1000, 1 << 16)
        counts = set()
        for block_size in sizes[: 3 if number % 10 == 0 else 1]:
            reader = cdr.Reader(content, layout, on_reject="collect", block_size=block_size)
            try:
                yielded = sum(1 for _ in reader)
            except CdrError as error:
                seen["files refused"] += 1
                counts.add((str(error), reader.yielded, reader.rejected))
                continue
            assert reader.records == reader.yielded + reader.rejected
            assert reader.yielded == yielded
            for reject in reader.rejects:
                assert content[reject.offset :].startswith(reject.raw)
                assert content.count(b"\n", 0, reject.offset) == reject.line - 1
                seen[f"rejects, {reject.cause}"] += 1
            seen["records"] += yielded
            counts.add(("", reader.yielded, reader.rejected))
        assert len(counts) == 1
    print()
    for name, count in sorted(seen.items()):
        print(f"{name:32} {count:9,}")
    assert seen["records"] > FILES
