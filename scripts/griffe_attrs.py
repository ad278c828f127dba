"""An extension of griffe: gives attrs classes the constructors that attrs makes.

griffe reads source, where these constructors are not. mkdocstrings loads this file (zensical.toml).
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import griffe

KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: griffe.ParameterKind.positional_only,
    inspect.Parameter.POSITIONAL_OR_KEYWORD: griffe.ParameterKind.positional_or_keyword,
    inspect.Parameter.VAR_POSITIONAL: griffe.ParameterKind.var_positional,
    inspect.Parameter.KEYWORD_ONLY: griffe.ParameterKind.keyword_only,
    inspect.Parameter.VAR_KEYWORD: griffe.ParameterKind.var_keyword,
}


class AttrsExtension(griffe.Extension):
    """Adds `__init__` to the attrs classes of a package that can be imported."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Add the constructor to a class that has none in its source."""
        if "__init__" in cls.members:
            return
        try:
            module = import_module(cls.module.path)
        except ImportError:  # a private module that needs an extra
            return
        kind = getattr(module, cls.name, None)
        if not isinstance(kind, type) or not hasattr(kind, "__attrs_attrs__"):
            return
        fields = {field.name: field for field in kind.__attrs_attrs__}
        parameters = [griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)]
        for name, parameter in inspect.signature(kind).parameters.items():
            declared = cls.members.get(name)
            annotation: Any = getattr(declared, "annotation", None)
            parameters.append(
                griffe.Parameter(
                    name,
                    annotation=annotation,
                    kind=KINDS[parameter.kind],
                    default=_shown(parameter, fields.get(name)),
                )
            )
        cls.set_member(
            "__init__", griffe.Function("__init__", parameters=griffe.Parameters(*parameters))
        )


def _shown(parameter: inspect.Parameter, field: Any) -> str | None:
    """The default of a parameter as it is written; None if it has none."""
    if parameter.default is inspect.Parameter.empty:
        return None
    if field is not None and hasattr(field.default, "factory"):
        return f"{field.default.factory.__name__}()"
    return repr(parameter.default)
