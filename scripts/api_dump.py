"""Write the promised API of the installed sinchvoice as stubs: `nox -s api_diff` compares them.

The stubs describe the package at run time, not its source: they include everything that
`__getattr__` loads on demand, and the constructors that attrs makes, with every default. The
members of private bases are listed in the derived classes, and type aliases are written out. The
command has a separate module, `command.pyi`: a function for each command with a parameter for each
option, the exit codes, and the keys of its JSON according to docs/reference/cli.md, which the tests
check against the output.

    python scripts/api_dump.py FOLDER [ROOT]
"""

from __future__ import annotations

import collections.abc
import enum
import importlib
import inspect
import keyword
import re
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

# The modules for users, also listed in CONTRIBUTING.md. An object of several modules is described
# in the first one.
PUBLIC = (
    "sinchvoice",
    "sinchvoice.applications",
    "sinchvoice.callbacks",
    "sinchvoice.callouts",
    "sinchvoice.calls",
    "sinchvoice.cdr",
    "sinchvoice.cdr.alerts",
    "sinchvoice.cdr.comparison",
    "sinchvoice.cdr.kpis",
    "sinchvoice.cdr.reconciliation",
    "sinchvoice.cdr.signals",
    "sinchvoice.cdr.spark",
    "sinchvoice.cli",
    "sinchvoice.conferences",
    "sinchvoice.endpoints",
    "sinchvoice.errors",
    "sinchvoice.reports",
    "sinchvoice.sandbox",
    "sinchvoice.sandbox.faults",
    "sinchvoice.signing",
    "sinchvoice.svaml",
    "pytest_sinchvoice",
)
PROTOCOLS = frozenset(
    "__init__ __new__ __call__ __enter__ __exit__ __aenter__ __aexit__ __iter__ __next__ __aiter__ "
    "__anext__ __len__ __getitem__ __contains__ __bool__".split()
)
HEADER = "# What sinchvoice promises; recorded by: nox -s api_diff -- --record\n"


def main(folder: Path, root: Path) -> int:
    """Write the stubs of the installed package into a folder.

    Args:
        folder: The folder for the stubs.
        root: The root of the project, for docs/reference/cli.md.
    """
    modules = dict(public_modules())
    names = {
        key(getattr(module, name)): name for module in modules.values() for name in module.__all__
    }
    written: dict[object, str] = {}
    for module in modules.values():
        path = stub_path(folder, module.__name__, modules)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER + Stub(names).module(module, written), encoding="utf-8")
    pages = [root / "docs" / "reference" / "cli.md", root / "docs" / "cli.md"]  # now, and in 0.1
    page = next(page for page in pages if page.exists())
    documentation = page.read_text(encoding="utf-8")
    path = stub_path(folder, "command", ())
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEADER + command_stub(documentation), encoding="utf-8")
    return 0


def public_modules() -> Iterator[tuple[str, ModuleType]]:
    """Yield the modules of PUBLIC that this version has."""
    for name in PUBLIC:
        try:
            yield name, importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise  # an extra is missing, and the stubs would be incomplete


def stub_path(folder: Path, name: str, modules: Iterable[str]) -> Path:
    """Return the path of the stub of a module, in the layout of the modules."""
    path = folder.joinpath(*name.split("."))
    is_package = "." not in name or any(other.startswith(f"{name}.") for other in modules)
    return path / "__init__.pyi" if is_package else path.with_suffix(".pyi")


class Stub:
    """Writer of stubs of modules.

    Args:
        public: The names of public objects by their `key`.
    """

    def __init__(self, public: dict[object, str]) -> None:
        self._public = public

    def module(self, module: ModuleType, written: dict[object, str]) -> str:
        """Return the stub of a module; objects in `written` are imported from their module."""
        imports, body = [], []
        for name in module.__all__:
            thing = getattr(module, name)
            if isinstance(thing, ModuleType):
                parent, _, last = thing.__name__.rpartition(".")
                imports.append(f"from {parent} import {last} as {name}")
            elif key(thing) in written:
                imports.append(f"from {written[key(thing)]} import {name} as {name}")
            else:
                written[key(thing)] = module.__name__
                body += self._definition(name, thing)
        exported = call("__all__ = [", map(repr, sorted(module.__all__)), "]")
        lines = ["from typing import Literal, overload", *imports, "", *exported, "", *body]
        return "\n".join(lines) + "\n"

    def _definition(self, name: str, thing: Any) -> list[str]:
        if name == "__version__":
            return [f"__version__ = {thing!r}"]
        if inspect.isclass(thing):
            return self._class(name, thing)
        if inspect.isfunction(thing):
            return self._function(name, thing)
        if is_alias(name, thing):
            return [f"{name} = {self.written(thing, written_out=True)}"]
        fixture = getattr(thing, "__wrapped__", None)
        if fixture is not None:  # of pytest: the type of the value that a test receives
            given = resolved(fixture)["return"]
            iterated = typing.get_origin(given) is collections.abc.Iterator
            return [f"{name}: {self.written(typing.get_args(given)[0] if iterated else given)}"]
        return [f"{name}: {type(thing).__name__}"]

    def _class(self, name: str, kind: type) -> list[str]:
        bases = [self.written(base) for base in self._bases(kind)]
        lines = [f"class {name}({', '.join(bases)}):" if bases else f"class {name}:"]
        is_protocol = getattr(kind, "_is_protocol", False)  # its constructor comes from typing
        own = [kind, *self._folded(kind)]
        hints: dict[str, Any] = {}
        members: dict[str, Any] = {}
        for owner in reversed(own):
            hints |= resolved(owner)
            members |= vars(owner)
        for member, value in sorted(members.items()):
            is_ours_to_call = member in PROTOCOLS and is_ours(value) and not is_protocol
            if is_ours_to_call or not member.startswith("_"):
                lines += [f"    {line}" for line in self._member(member, value, hints)]
        if issubclass(kind, tuple):
            lines += [f"    {line}" for line in self._tuple_constructor(kind, hints)]
        fields = sorted(set(hints) - set(members))
        lines += [
            f"    {field}: {self.written(hints[field])}" for field in fields if field[0] != "_"
        ]
        return lines if len(lines) > 1 else [f"{lines[0]} ..."]

    def _member(self, name: str, value: Any, hints: dict[str, Any]) -> list[str]:
        if isinstance(value, enum.Enum):
            return [f"{name} = {value.value!r}"]
        if isinstance(value, property):
            assert value.fget is not None
            return ["@property", *self._function(name, value.fget)]
        if isinstance(value, classmethod | staticmethod):
            return [f"@{type(value).__name__}", *self._function(name, value.__func__)]
        if inspect.isfunction(value):
            overloads = [
                line
                for each in typing.get_overloads(value)
                for line in ["@overload", *self._function(name, each)]
            ]
            return [*overloads, *self._function(name, value)]
        if name in hints:  # a slot of attrs, or a class variable
            return [f"{name}: {self.written(hints[name])}"]
        return [f"{name} = {default(value)}"]

    def _function(self, name: str, function: Any) -> list[str]:
        hints = resolved(function)
        if name == "__init__" and not all(self._is_public(hint) for hint in hints.values()):
            return []  # the library makes such objects, users do not
        signature = inspect.signature(function)
        parameters = [
            part
            for parameter in signature.parameters.values()
            for part in expanded(parameter, hints.get(parameter.name, parameter.annotation))
        ]
        prefix = "async def" if inspect.iscoroutinefunction(function) else "def"
        given = hints.get("return", Any)
        end = f") -> {self.written(given)}: ..."
        return call(f"{prefix} {name}(", self._parameters(parameters), end)

    def _tuple_constructor(self, kind: Any, hints: dict[str, Any]) -> list[str]:
        parameters = [
            inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=kind._field_defaults.get(name, inspect.Parameter.empty),
                annotation=hints[name],
            )
            for name in kind._fields
        ]
        return call("def __new__(", ["cls", *self._parameters(parameters)], ") -> Self: ...")

    def _parameters(self, parameters: list[inspect.Parameter]) -> list[str]:
        parts: list[str] = []
        positional_only = False
        for parameter in sorted(parameters, key=lambda parameter: parameter.kind):
            if positional_only and parameter.kind is not parameter.POSITIONAL_ONLY:
                parts.append("/")
            positional_only = parameter.kind is parameter.POSITIONAL_ONLY
            is_first_keyword = parameter.kind is parameter.KEYWORD_ONLY and not any(
                part.startswith("*") for part in parts
            )
            text = str(parameter.replace(annotation=parameter.empty, default=parameter.empty))
            if parameter.annotation is not parameter.empty:
                text += f": {self.written(parameter.annotation)}"
            if parameter.default is not parameter.empty:
                text += f" = {default(parameter.default)}"
            parts += ["*", text] if is_first_keyword else [text]
        return [*parts, "/"] if positional_only else parts

    def written(self, hint: Any, *, written_out: bool = False) -> str:
        """Return a type in its usual notation, the same on every Python.

        Args:
            hint: The type.
            written_out: Whether to write out a type even if it has a public name.
        """
        if hint is None or hint is types.NoneType:
            return "None"
        if isinstance(hint, str | typing.ForwardRef):
            return hint if isinstance(hint, str) else hint.__forward_arg__
        if hint is ...:
            return "..."
        if isinstance(hint, list):
            return f"[{', '.join(map(self.written, hint))}]"
        if not written_out and key(hint) in self._public:
            return self._public[key(hint)]
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            return " | ".join(map(self.written, arguments))
        if origin is typing.Annotated:
            return self.written(arguments[0])
        if origin is typing.Literal:
            return f"Literal[{', '.join(map(default, arguments))}]"
        name = getattr(origin or hint, "__name__", None) or str(hint)
        return f"{name}[{', '.join(map(self.written, arguments))}]" if arguments else name

    def _bases(self, kind: type) -> Iterator[type]:
        for base in kind.__bases__:
            if key(base) in self._public or not is_ours(base):
                if base is not object:
                    yield base
            else:
                yield from self._bases(base)

    def _folded(self, kind: type) -> Iterator[type]:
        """Yield the private bases of a class, nearest first."""
        for base in kind.__bases__:
            if is_ours(base) and key(base) not in self._public:
                yield base
                yield from self._folded(base)

    def _is_public(self, hint: Any) -> bool:
        arguments = typing.get_args(hint)
        if arguments and typing.get_origin(hint) is not typing.Literal:
            return all(
                self._is_public(part)
                for argument in arguments
                for part in (argument if isinstance(argument, list) else [argument])
            )
        return (
            not (inspect.isclass(hint) and is_ours(hint))
            or key(hint) in self._public
            or issubclass(hint, enum.Enum)
        )


def is_ours(thing: Any) -> bool:
    """Tell whether a class or function belongs to this distribution."""
    return getattr(thing, "__module__", "").partition(".")[0] in ("sinchvoice", "pytest_sinchvoice")


def call(begin: str, parts: Iterable[str], end: str) -> list[str]:
    """Return a bracketed list, on one line if short and else one item per line for short diffs."""
    line = begin + ", ".join(parts := list(parts)) + end
    return [line] if len(line) < 90 else [begin, *(f"    {part}," for part in parts), end]


def is_alias(name: str, thing: Any) -> bool:
    """Tell whether an object is a type alias; an alias that is text needs a declaration."""
    return bool(typing.get_args(thing)) or any(
        getattr(module, "__annotations__", {}).get(name) == "TypeAlias"
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith("sinchvoice")
    )


def key(thing: Any) -> object:
    """Return the key of a public object: the type for an alias, the identity for others."""
    return thing if typing.get_args(thing) else id(thing)


def resolved(thing: Any) -> dict[str, Any]:
    """Return the annotations of a class or function, as text if they cannot be resolved."""
    scope = dict(vars(sys.modules[thing.__module__]))
    for name in ("sinchvoice", *PUBLIC):  # for names imported under TYPE_CHECKING
        module = sys.modules.get(name)
        scope = {**(vars(module) if module else {}), **scope}
    found: dict[str, Any] = {}
    for name, hint in inspect.get_annotations(thing).items():
        name = re.sub(r"\W", "_", name)
        holder = types.SimpleNamespace(__annotations__={name: hint})
        try:
            found |= typing.get_type_hints(holder, globalns=scope, include_extras=True)
        except (AttributeError, NameError, TypeError):
            found[name] = hint
    return found


def expanded(parameter: inspect.Parameter, hint: Any) -> Iterator[inspect.Parameter]:
    """Yield a parameter, or the parameters that `**options: Unpack[…]` stands for."""
    if typing.get_origin(hint) is not typing.Unpack:
        yield parameter.replace(annotation=hint)
        return
    (options,) = typing.get_args(hint)
    for name, annotation in typing.get_type_hints(options).items():
        yield inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=parameter.empty if name in options.__required_keys__ else ...,
            annotation=annotation,
        )


def default(value: Any) -> str:
    """Return the source text of a default."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if value is ... or value is attrs.NOTHING:
        return "..."
    if isinstance(value, collections.abc.Set):
        return f"{{{', '.join(sorted(map(repr, value)))}}}"
    if isinstance(value, Path):
        return repr(str(value))
    if callable(value):
        return str(getattr(value, "__qualname__", type(value).__name__)).replace("<lambda>", "...")
    text = repr(value)
    return "..." if text.startswith("<") else text


# --- Command -------------------------------------------------------------------------------------


def command_stub(documentation: str) -> str:
    """Return commands, exit codes and JSON keys as functions and classes."""
    from sinchvoice.cli import app
    from sinchvoice.cli.output import EXIT_CODES

    # Earlier revisions have the whole command line as a variable.
    whole = app.command_line() if hasattr(app, "command_line") else vars(app)["app"]
    lines = ["from typing import Literal", "", *group_stub("sinchvoice", whole)]
    lines.append("class exit_codes:")
    lines += sorted(f"    {kind.__name__} = {code}" for kind, code in EXIT_CODES.items())
    lines.append("class json:")
    for name, keys in sorted(json_keys(documentation).items()):
        record = call(f"def {name}(key: Literal[", map(repr, sorted(keys)), "]): ...")
        lines += [f"    {line}" for line in record]
    return "\n".join(lines) + "\n"


def group_stub(name: str, group: Any) -> list[str]:
    """Return a group of commands as a class, with the group's own options in `__call__`.

    Args:
        name: The name on the command line.
        group: The Typer object as declared, because its Click command differs between versions.
    """
    members = {"__call__": command_stub_of("__call__", group.registered_callback.callback)}
    for command in group.registered_commands:
        typed = command.name or command.callback.__name__.replace("_", "-")
        members[typed] = command_stub_of(typed, command.callback)
    for inner in group.registered_groups:
        members[inner.name] = group_stub(inner.name, inner.typer_instance)
    lines = [f"    {line}" for typed in sorted(members) for line in members[typed]]
    return [f"class {identifier(name)}:", *lines]


def command_stub_of(name: str, function: Any) -> list[str]:
    """Return a command as a function: arguments first, then every spelling of every option."""
    arguments, options = [], []
    for parameter in inspect.signature(function).parameters.values():
        if typing.get_origin(parameter.annotation) is not typing.Annotated:
            continue  # Typer's context
        accepted, declared = typing.get_args(parameter.annotation)
        kind = accepted_type(accepted)
        is_required = parameter.default is parameter.empty
        preset = getattr(parameter.default, "value", parameter.default)
        end = "" if is_required else f" = {default(preset)}"
        if type(declared).__name__ == "ArgumentInfo":
            star = "*" if typing.get_origin(accepted) is list else ""
            arguments.append(f"{star}{identifier(declared.metavar)}: {kind}{end}")
        else:
            # The first spelling is in the position of the default.
            given = [text for text in (declared.default, *declared.param_decls) if text is not ...]
            spellings = [word for text in given for word in text.split("/")]
            options += [f"{identifier(word.lstrip('-'))}: {kind}{end}" for word in spellings]
    is_variadic = any(argument.startswith("*") for argument in arguments)
    marker = ["*"] if options and not is_variadic else []
    return call(f"def {identifier(name)}(", [*arguments, *marker, *sorted(options)], "): ...")


def accepted_type(accepted: Any) -> str:
    """Return the type of an argument or option: its choices, or a name; a list if repeatable."""
    kinds = [kind for kind in typing.get_args(accepted) if kind is not type(None)]
    if typing.get_origin(accepted) is list:
        return f"list[{accepted_type(kinds[0])}]"
    if kinds:  # an optional value
        return accepted_type(kinds[0])
    if issubclass(accepted, enum.Enum):
        return f"Literal[{', '.join(repr(member.value) for member in accepted)}]"
    return str(accepted.__name__)


def json_keys(documentation: str) -> dict[str, set[str]]:
    """Return the JSON keys of each command, and of errors."""
    found: dict[str, set[str]] = {}
    for title, text in re.findall(r"^### JSON of (.*)\n([^#]*)", documentation, re.MULTILINE):
        cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
        keys = {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}
        for name in re.findall(r"`(.+?)`", title) or [title]:
            if keys:
                found[identifier(name)] = keys
    return found


def identifier(text: str) -> str:
    """Return a word of the command line as a Python name."""
    name = re.sub(r"\W+", "_", text.strip())
    return f"{name}_" if keyword.iskeyword(name) else name


if __name__ == "__main__":
    here = Path(__file__).resolve().parent.parent
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else here))
