"""Compare the promised API with an earlier version: `nox -s api_diff`.

    nox -s api_diff                the last tag; without one, the stubs in promise/
    nox -s api_diff -- v0.1.0      any revision
    nox -s api_diff -- --record    rewrites promise/

Both sides are stubs that `api_dump.py` makes of an installed package. griffe compares names, kinds,
defaults, and the order of parameters. It does not compare types, values, `async`, or the bases of a
class beyond their number; `narrowings` compares these on griffe's models. CHANGELOG.md must declare
every breaking change. The exit code is 0, 1 for an undeclared change, or 2 if nothing could be
compared.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import griffe

ROOT = Path(__file__).resolve().parent.parent
RECORDED = ROOT / "promise"
DUMP = ROOT / "scripts" / "api_dump.py"
PACKAGES = ("sinchvoice", "pytest_sinchvoice", "command")
EXTRAS = "cdr,cli,sandbox"
# Python 3.11 has filters from 3.11.4 on.
SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}

# griffe's objects and aliases have no common type with their attributes.
Member: TypeAlias = Any

_KINDS = {
    griffe.BreakageKind.OBJECT_REMOVED: "was removed",
    griffe.BreakageKind.OBJECT_CHANGED_KIND: "is now {new}, was {old}",
    griffe.BreakageKind.PARAMETER_REMOVED: "was removed",
    griffe.BreakageKind.PARAMETER_MOVED: "has moved to another position",
    griffe.BreakageKind.PARAMETER_CHANGED_KIND: "is now {new}",
    griffe.BreakageKind.PARAMETER_CHANGED_DEFAULT: "is now {new} by default, was {old}",
    griffe.BreakageKind.PARAMETER_CHANGED_REQUIRED: "no longer has a default",
    griffe.BreakageKind.PARAMETER_ADDED_REQUIRED: "is new and has no default",
    griffe.BreakageKind.RETURN_CHANGED_TYPE: "no longer declares that it returns {old}",
    griffe.BreakageKind.CLASS_REMOVED_BASE: "is now derived from {new}, was from {old}",
}
_WAYS = {"async", "classmethod", "staticmethod"}


@attrs.frozen(order=True)
class Break:
    """A change that can break users' programs.

    Attributes:
        name: The changed name: `sinchvoice.calls.Calls.say(leg)`, `sinchvoice call say --leg`.
        what: The change.
    """

    name: str
    what: str

    def as_users_know_it(self) -> Break:
        """Return the change with the user's spelling of constructors and commands."""
        found = re.fullmatch(r"command\.(\w+)\.?(.*?)(?:\((\w+)\))?", self.name)
        if found is None:
            return attrs.evolve(self, name=re.sub(r"\.__(init|new)__(?=\()", "", self.name))
        group, path, parameter = found.groups()
        if group == "exit_codes":
            return Break(f"exit code of {path}", self.what)
        if group == "json":
            what = self.what.replace("no longer takes", "no longer has")
            return Break(f"JSON of {path.replace('_', ' ')}", what)
        words = [group, *(word for word in path.split(".") if word not in ("", "__call__"))]
        if parameter is not None and not parameter.isupper():
            dashes = "-" if len(parameter) == 1 else "--"
            parameter = dashes + parameter.rstrip("_").replace("_", "-")
        return Break(" ".join([*words, *([parameter] if parameter else [])]), self.what)

    @property
    def short_name(self) -> str:
        """The name without modules, such as `Calls.say(leg)`."""
        _, names, parameter = self._parts()
        return ".".join(names) + parameter if names else self.name

    def declared_by(self) -> set[str]:
        """Return the names that declare it in CHANGELOG.md, including those that contain it."""
        modules, names, parameter = self._parts()
        if not names:  # a command
            words = self.name.split(" ")
            option = {words[-1]} if words[-1].startswith("-") else set()
            return option | {" ".join(words[:n]) for n in range(2, len(words) + 1)}
        wholes = [".".join(names[:n]) for n in range(1, len(names) + 1)]
        wholes.append(wholes[-1] + parameter)
        return {*wholes, *(".".join([*modules, whole]) for whole in wholes)}

    def _parts(self) -> tuple[list[str], list[str], str]:
        """Return modules, then class or function with its members, then the bracketed parameter."""
        if " " in self.name:
            return [], [], ""
        path, bracket, rest = self.name.partition("(")
        parts = path.split(".")
        start = next((n for n, part in enumerate(parts) if not part.islower()), len(parts) - 1)
        return parts[:start], parts[start:], bracket + rest


class NotComparedError(Exception):
    """The comparison is impossible; the message says why and what to do."""


def main(arguments: list[str]) -> int:
    """Compare or record, report, and return the exit code."""
    parser = argparse.ArgumentParser(prog="nox -s api_diff --", allow_abbrev=False)
    parser.add_argument("revision", nargs="?", help="revision to compare with; default: last tag")
    parser.add_argument("--record", action="store_true", help="rewrite promise/")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        before, now = Path(scratch, "before"), Path(scratch, "now")
        try:
            dump(sys.executable, now, ROOT)
            baseline = write_baseline(before, options.revision)
            found = breaks(before, now)
        except NotComparedError as error:
            print(f"{error}\nNothing was compared.", file=sys.stderr)
            return 2
        changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        undeclared = without_declared(found, changelog, since=version(before))
        print(report(found, undeclared, baseline))
        if options.record and undeclared:
            print("promise/ is unchanged.")
        elif options.record:
            shutil.rmtree(RECORDED, ignore_errors=True)
            shutil.copytree(now, RECORDED)
            print("promise/ is recorded.")
    return 1 if undeclared else 0


def report(found: list[Break], undeclared: list[Break], baseline: str) -> str:
    """Return the changes, and instructions if some are not declared."""
    lines = [f"Compared with {baseline}."]
    for change in found:
        note = "" if change in undeclared else " (declared)"
        lines.append(f"{change.name}: {change.what}{note}")
    if not undeclared:
        return "\n".join([*lines, "There are no undeclared breaking changes."])
    lines += [
        "",
        "This can break users' programs. Undo it, keep the old name as well, or declare it in",
        "CHANGELOG.md, under '## Unreleased' and '### Breaking', with the name in backticks and",
        "its replacement:",
    ]
    names = dict.fromkeys(change.short_name for change in undeclared)
    return "\n".join([*lines, *(f"- `{name}`: …" for name in names)])


# --- Stubs ---------------------------------------------------------------------------------------


def write_baseline(folder: Path, revision: str | None) -> str:
    """Write the stubs of the baseline into a folder and return its description.

    Raises:
        NotComparedError: If the revision does not exist, or nothing is recorded.
    """
    is_shallow = git("rev-parse", "--is-shallow-repository") == "true"
    remedy = "run `git fetch --tags --unshallow`" if is_shallow else "try `git fetch --tags`"
    if revision is None:
        revision = git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*")
    elif git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}") is None:
        kind = "shallow clone" if is_shallow else "repository"
        raise NotComparedError(f"this {kind} has no revision {revision!r}: {remedy}")
    if revision is not None:
        dump_revision(revision, folder)
        return revision
    if is_shallow:
        print(f"This clone is shallow and has no tags: {remedy}.", file=sys.stderr)
    if not (RECORDED / PACKAGES[0]).is_dir():
        raise NotComparedError("there is no tag, and promise/ is empty: restore it from git")
    shutil.copytree(RECORDED, folder)
    return f"promise/, recorded for {version(folder)} (there is no tag like v1.2.3 here)"


def dump_revision(revision: str, folder: Path) -> None:
    """Build and install a revision in a separate environment, and write its stubs.

    Raises:
        NotComparedError: If it cannot be installed or imported.
    """
    with tempfile.TemporaryDirectory() as scratch:
        tree, environment = Path(scratch, "tree"), Path(scratch, "environment")
        archive = Path(scratch, "tree.tar")
        if git("archive", f"--output={archive}", revision) is None:
            raise NotComparedError(f"git cannot export {revision}: see `git archive {revision}`")
        with tarfile.open(archive) as files:
            files.extractall(tree, **SAFELY)  # noqa: S202 - made by git from our own tree
        venv.create(environment, with_pip=True)
        python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if subprocess.call([*pip, f"{tree}[{EXTRAS}]", "pytest"]) != 0:
            raise NotComparedError(f"{revision} could not be installed: see above")
        dump(str(python), folder, tree)


def dump(python: str, folder: Path, root: Path) -> None:
    """Write the stubs of the package that an interpreter imports."""
    if subprocess.call([python, str(DUMP), str(folder), str(root)]) != 0:
        raise NotComparedError(f"the stubs of {root} could not be written: see above")


def git(*arguments: str) -> str | None:
    """Return the output of git; None if it fails or is not installed."""
    try:
        run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)  # noqa: S607
    except OSError:
        return None
    return run.stdout.strip() if run.returncode == 0 else None


def version(folder: Path) -> str:
    """Return the version of the stubs in a folder."""
    text = (folder / "sinchvoice" / "__init__.pyi").read_text(encoding="utf-8")
    found = re.search(r"^__version__ = '(.*)'$", text, re.MULTILINE)
    return found[1] if found else "an unknown version"


# --- Comparison ----------------------------------------------------------------------------------


def breaks(before: Path, now: Path) -> list[Break]:
    """Return the breaking changes between two folders of stubs, sorted.

    Raises:
        NotComparedError: If a folder has no readable stubs.
    """
    found: set[Break] = set()
    for old, new in zip(load(before), load(now), strict=True):
        for breakage in griffe.find_breaking_changes(old, new):
            found.add(Break(*described(breakage)))
        found.update(narrowings(old, new, definitions(old), definitions(new)))
    return sorted(change.as_users_know_it() for change in found)


def load(folder: Path) -> list[Member]:
    """Load the stubs of a folder with griffe."""
    loader = griffe.GriffeLoader(search_paths=[folder], allow_inspection=False)
    try:
        packages = [loader.load(name) for name in PACKAGES]
    except (ModuleNotFoundError, griffe.GriffeError) as error:
        raise NotComparedError(f"{folder} has no readable stubs ({error})") from error
    loader.resolve_aliases()
    return packages


def described(breakage: griffe.Breakage) -> tuple[str, str]:
    """Return the name and the description of a change that griffe found."""
    old, new = breakage.old_value, breakage.new_value
    name = breakage.obj.path
    what = _KINDS.get(breakage.kind, breakage.kind.value)
    if breakage.kind.name.startswith("PARAMETER"):
        name += f"({(old or new).name})"
        aspect = "default" if "DEFAULT" in breakage.kind.name else "kind"
        old, new = getattr(old, aspect, None), getattr(new, aspect, None)
    return name, what.format(old=text(old), new=text(new))


def text(value: object) -> str:
    """Return the text of one of griffe's values."""
    if isinstance(value, list):
        return ", ".join(map(text, value)) or "nothing"
    return str(getattr(value, "value", value))


def narrowings(
    old: Member, new: Member, before: dict[str, Member], now: dict[str, Member]
) -> Iterator[Break]:
    """Yield the changes that griffe does not compare: types, values, and bases of classes.

    Args:
        old: A module, class, function or attribute of the old version.
        new: The same in the new version.
        before: The old public classes and type aliases by name.
        now: The new ones.
    """
    if old.is_alias or new.is_alias or old.kind is not new.kind:
        return
    if old.is_class and (lost := ancestors(old, before) - ancestors(new, now)):
        yield Break(old.path, f"is no longer a {' or a '.join(sorted(lost))}")
    if old.is_function:
        yield from narrowed_function(old, new, before, now)
    elif old.is_attribute:
        yield from changed_attribute(old, new, before, now)
    for name, member in old.members.items():
        if member.is_public and name in new.all_members:
            yield from narrowings(member, new.all_members[name], before, now)


def narrowed_function(
    old: Member, new: Member, before: dict[str, Member], now: dict[str, Member]
) -> Iterator[Break]:
    """Yield parameters that accept less, results that can be more, and changed ways to call."""
    for way in sorted(_WAYS & (old.labels ^ new.labels)):
        yield Break(old.path, f"is now {way}" if way in new.labels else f"is no longer {way}")
    for parameter in old.parameters:
        same = next((p for p in new.parameters if p.name == parameter.name), None)
        if same is None:
            continue
        if less := lost(parameter.annotation, same.annotation, before, now):
            yield Break(f"{old.path}({parameter.name})", f"no longer takes {less}")
    # Overloads are in the order of their calls, new ones last.
    for was, each in zip(old.overloads or [old], new.overloads or [new], strict=False):
        if more := lost(each.returns, was.returns, now, before):
            yield Break(old.path, f"can now return {more}")


def changed_attribute(
    old: Member, new: Member, before: dict[str, Member], now: dict[str, Member]
) -> Iterator[Break]:
    """Yield attributes with wider types and constants with other values."""
    if more := lost(new.annotation, old.annotation, now, before):
        yield Break(old.path, f"can now be {more}")
    if str(old.value).startswith("Literal[") and not lost(old.value, new.value, before, now):
        return  # members may be added, as to an enumeration
    if old.name not in ("__version__", "__all__") and str(old.value) != str(new.value):
        yield Break(old.path, f"is now {new.value}, was {old.value}")


def lost(wide: object, narrow: object, before: dict[str, Member], now: dict[str, Member]) -> str:
    """Return the members of one union that another lacks, as text; empty if there are none."""
    had, has = union(wide, before), union(narrow, now)
    return "" if has & {"Any", "object"} else " or ".join(sorted(had - has))


def union(annotation: object, known: dict[str, Member]) -> set[str]:
    """Return the members of a type; Literals count by value and aliases by their definition."""
    if annotation is None:
        return {"Any"}
    found: set[str] = set()
    pending = [ast.parse(str(annotation), mode="eval").body]
    while pending:
        node = pending.pop()
        alias = known.get(node.id) if isinstance(node, ast.Name) else None
        if alias is not None and alias.is_attribute and alias.value is not None:
            pending.append(ast.parse(str(alias.value), mode="eval").body)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            pending += [node.left, node.right]
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
            values = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            found |= {ast.unparse(value) for value in values}
        else:
            found.add(ast.unparse(node))
    return found


def definitions(module: Member) -> dict[str, Member]:
    """Return the classes and aliases of a package by name; public names are unique."""
    found = {**module.attributes, **module.classes}
    for inner in module.modules.values():
        found = {**definitions(inner), **found}
    return found


def ancestors(kind: Member, known: dict[str, Member]) -> set[str]:
    """Return the names of all direct and indirect bases of a class."""
    found: set[str] = set()
    for base in map(str, kind.bases):
        found |= {base} | (ancestors(known[base], known) if base in known else set())
    return found


# --- Declarations --------------------------------------------------------------------------------


def without_declared(found: list[Break], changelog: str, since: str) -> list[Break]:
    """Return the changes that no part Breaking of a newer version declares.

    Args:
        found: The breaking changes.
        changelog: The text of CHANGELOG.md.
        since: The version of the baseline.
    """
    heading = rf"^## \[?{re.escape(since)}(?![\w.+-])"
    newer = re.split(heading, changelog, maxsplit=1, flags=re.MULTILINE)[0]
    declared: set[str] = set()
    for section in re.split(r"^## ", newer, flags=re.MULTILINE):
        for part in re.split(r"^### ", section, flags=re.MULTILINE):
            if part.startswith("Breaking\n"):
                declared |= set(re.findall(r"`([^`]+)`", part))
    return [change for change in found if not change.declared_by() & declared]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
