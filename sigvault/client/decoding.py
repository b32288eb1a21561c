"""JSON to the dataclasses of `answers`, by their types.

Fields that nobody knows are passed over, so that a later service can say more; one that is missing
or of another type is an error with its path, such as ``threshold.origin.seed``.
"""

from __future__ import annotations

import types
from collections.abc import Hashable
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, NewType, TypeVar, cast, get_args, get_origin, get_type_hints

_T = TypeVar("_T")


def decode(kind: type[_T], content: object) -> _T:
    """Read a value of a type from JSON that was parsed.

    Args:
        kind: a dataclass, also a generic one with its argument.
        content: what `json.loads` gave.

    Raises:
        ValueError: If the content doesn't fit; the message says where.
    """
    return cast(_T, _decode(kind, content, "", {}))


def _decode(hint: Any, content: Any, path: str, variables: dict[Any, Any]) -> Any:
    hint = variables.get(hint, hint)
    if isinstance(hint, NewType):
        return _decode(hint.__supertype__, content, path, variables)
    origin = get_origin(hint)
    if origin is types.UnionType:
        (inner,) = [one for one in get_args(hint) if one is not types.NoneType]
        return None if content is None else _decode(inner, content, path, variables)
    if origin is tuple:
        return _decode_items(get_args(hint)[0], content, path, variables)
    kind = origin or hint
    if is_dataclass(kind):
        bound = dict(zip(getattr(kind, "__parameters__", ()), get_args(hint), strict=True))
        return _decode_fields(cast(Hashable, kind), content, path, bound)
    return _decode_plain(kind, content, path)


def _decode_fields(kind: Any, content: Any, path: str, variables: dict[Any, Any]) -> Any:
    if not isinstance(content, dict):
        raise _misfit(path, content, "an object")
    arguments = {}
    for name, (hint, needed) in _fields(kind).items():
        below = f"{path}.{name}" if path else name
        if name in content and (needed or content[name] is not None):
            arguments[name] = _decode(hint, content[name], below, variables)
        elif needed:
            raise ValueError(f"{below} is missing")
    return kind(**arguments)


@cache
def _fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    """The type of each field, and whether it has to be there; found out once."""
    hints = get_type_hints(kind)
    return {one.name: (hints[one.name], one.default is MISSING) for one in fields(kind)}


def _decode_items(hint: Any, content: Any, path: str, variables: dict[Any, Any]) -> Any:
    if not isinstance(content, list):
        raise _misfit(path, content, "a list")
    return tuple(
        _decode(hint, item, f"{path}[{place}]", variables) for place, item in enumerate(content)
    )


def _decode_plain(kind: type, content: Any, path: str) -> Any:
    if issubclass(kind, Enum) or kind is datetime:
        if not isinstance(content, str):
            raise _misfit(path, content, "a text")
        read: Any = datetime.fromisoformat if kind is datetime else kind
        try:
            return read(content)
        except ValueError as error:
            raise ValueError(f"{path} is {content[:40]!r}, which is no {kind.__name__}") from error
    if kind is float and type(content) is int:
        return float(content)
    if type(content) is not kind:
        raise _misfit(path, content, f"a value of type {kind.__name__}")
    return content


def _misfit(path: str, content: object, wanted: str) -> ValueError:
    return ValueError(f"{path or 'the answer'} is of type {type(content).__name__}, not {wanted}")
