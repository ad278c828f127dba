"""Compare generated/ with a fresh generation from openapi/.

`nox -s drift` runs this file. It fails if a generated file was edited, if a specification or an
overlay was changed without regenerating, or if another version of the generator produces another
result. It also fails if a specification differs from its checksum in openapi/specs.lock.
"""

import difflib
import sys
import tempfile
from pathlib import Path

import specs_lock
from regenerate import GENERATED, OPENAPI, RegenerationError, generate_into

MAX_LINES = 200


def differences(committed: Path, fresh: Path) -> list[str]:
    """Compare two folders.

    Args:
        committed: The folder in the repository.
        fresh: The expected folder.

    Returns:
        A line for every surplus, missing or different file, then a unified diff from committed to
        fresh. Empty without a difference.
    """
    before, after = _texts(committed), _texts(fresh)
    changed = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    summary = [f"surplus:   {name}" for name in sorted(before.keys() - after.keys())]
    summary += [f"missing:   {name}" for name in sorted(after.keys() - before.keys())]
    summary += [f"different: {name}" for name in changed]
    return summary + [line for name in changed for line in _diff(name, before[name], after[name])]


def capped(lines: list[str], limit: int) -> list[str]:
    """Shorten a list of lines and note the number of omitted ones.

    Args:
        lines: The lines.
        limit: The largest number to keep.

    Returns:
        All lines, or the first ones and a note.
    """
    left_out = len(lines) - limit
    return lines if left_out <= 0 else [*lines[:limit], f"... and {left_out} more lines"]


def main() -> int:
    """Report the differences and return the exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            lines = specs_lock.stale(OPENAPI)
            generate_into(Path(scratch))
        except (RegenerationError, specs_lock.LockError) as error:
            print(f"{error}\nNothing could be compared.", file=sys.stderr)
            return 1
        lines += differences(GENERATED, Path(scratch))
    if not lines:
        print("generated/ matches openapi/, and openapi/ matches its lock.")
        return 0
    print("\n".join(capped(lines, MAX_LINES)))
    print("\ngenerated/ does not match openapi/: run `nox -s regenerate` and review the change.")
    print("It overwrites edits in generated/: make them in openapi/overlays/ instead.")
    return 1


def _texts(folder: Path) -> dict[str, str]:
    """Return the text of every file below a folder, by relative name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes().decode("utf-8", "backslashreplace")
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def _diff(name: str, before: str, after: str) -> list[str]:
    files = f"generated/{name}", f"regenerated/{name}"
    old, new = before.splitlines(), after.splitlines()
    lines = list(difflib.unified_diff(old, new, *files, n=2, lineterm=""))
    return lines or [f"{name}: only the line ends differ"]


if __name__ == "__main__":
    sys.exit(main())
