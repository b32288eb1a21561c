"""Domain values as JSON-ready dictionaries and back, exactly.

One rule for every value: a dataclass becomes a dictionary with one entry a field, in the order
of the fields; a tuple becomes a list, a frozen set a sorted list, an enumeration its value.
Fields that came later (``omit_default``) are left out while they hold their default.
Floats are written by ``json`` with as many digits as it takes to read the same float again.
What is read is checked: a field that is missing (and has no default), unknown or of another type
raises ValueError with its path, such as ``threshold.origin.seed``.
"""

from __future__ import annotations

import math
import types
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from enum import Enum
from functools import cache, lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, NewType, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from sigvault.domain.audit import canonical_json
from sigvault.domain.comparison import Candidate, Evidence, ReferenceScore, Score, Threshold
from sigvault.domain.fusion import FusionRule
from sigvault.domain.image import QualityFinding
from sigvault.domain.model_card import ModelCard

_T = TypeVar("_T")


def threshold_to_dict(threshold: Threshold) -> dict[str, Any]:
    """A threshold, with its error rates and its origin."""
    return _to_dict(threshold, "threshold")


def threshold_from_dict(content: Mapping[str, Any]) -> Threshold:
    """The threshold that `threshold_to_dict` wrote.

    Raises:
        ValueError: If the content is no threshold; the message names the field.
    """
    return _from_dict(Threshold, content, "threshold")


def score_to_dict(score: Score) -> dict[str, Any]:
    """A score, with the score against each reference."""
    return _to_dict(score, "score")


def evidence_to_dict(evidence: Evidence) -> dict[str, Any]:
    """All that a decision rests on."""
    content = _to_dict(replace(evidence, threshold=None), "evidence")  # type: ignore[arg-type]
    content["threshold"] = dict(_threshold_kept(evidence.threshold))
    return content


@lru_cache(maxsize=256)
def _threshold_kept(threshold: Threshold) -> dict[str, Any]:
    """The same few thresholds stand in all evidence, and each takes half of its writing."""
    return threshold_to_dict(threshold)


def evidence_to_json(evidence: Evidence) -> str:
    """What `canonical_json` makes of `evidence_to_dict`, without making that first.

    Raises:
        ValueError: If it holds what JSON can't; the message names the field.
    """
    try:
        return _evidence_written(evidence)
    except (TypeError, ValueError):  # numbers that are no floats; or what is wrong, and where
        return canonical_json(evidence_to_dict(evidence))


def _evidence_written(evidence: Evidence) -> str:
    """The fields in the order of their names, numbers and text as ``json`` writes them."""
    findings = canonical_json([finding_to_dict(finding) for finding in evidence.findings])
    return (
        f'{{"decision":{_quoted(evidence.decision.value)},"findings":{findings},'
        f'"generation":{int.__repr__(evidence.generation)},"llr":{_number(evidence.llr)},'
        f'"model":{_quoted(evidence.model)},"preprocessing":{_quoted(evidence.preprocessing)},'
        f'"probe_digest":{_quoted(evidence.probe_digest)},'
        f'"score":{_score_written(evidence.score)},"signer":{_quoted(evidence.signer)},'
        f'"threshold":{_threshold_written(evidence.threshold)}}}'
    )


def _score_written(score: Score) -> str:
    rows, spread = score.per_reference, score.spread
    if not math.isfinite(sum([one.cosine + one.distance + one.local for one in rows])):
        raise ValueError("a score is no finite number")
    alike = "null"
    if spread is not None:
        alike = f'{{"cosine":{_number(spread.cosine)},"local":{_number(spread.local)}}}'
    degrees = score.straightened
    straightened = "" if degrees is None else f'"straightened":{_number(degrees)},'
    return (
        f'{{"fusion":{_fusion_written(score.fusion)},'
        f'"per_reference":[{",".join([_row_written(one) for one in rows])}],'
        f'"spread":{alike},{straightened}"value":{_number(score.value)}}}'
    )


def _row_written(one: ReferenceScore) -> str:
    number = float.__repr__  # that it is finite was seen for all rows at once
    turned = "" if one.turned is None else f',"turned":{_number(one.turned)}'
    return (
        f'{{"cosine":{number(one.cosine)},"distance":{number(one.distance)},'
        f'"local":{number(one.local)},"reference":{_quoted(one.reference)}{turned}}}'
    )


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no finite number")
    return float.__repr__(value)


@lru_cache(maxsize=256)
def _threshold_written(threshold: Threshold) -> str:
    return canonical_json(threshold_to_dict(threshold))


@lru_cache(maxsize=256)
def _fusion_written(fusion: FusionRule) -> str:
    return canonical_json(fusion_to_dict(fusion))


def evidence_from_dict(content: Mapping[str, Any]) -> Evidence:
    """The evidence that `evidence_to_dict` wrote; replaying it gives the same decision.

    Raises:
        ValueError: If the content is no evidence; the message names the field.
    """
    return _from_dict(Evidence, content, "evidence")


def candidate_to_dict(candidate: Candidate) -> dict[str, Any]:
    """One candidate of an identification."""
    return _to_dict(candidate, "candidate")


def candidate_from_dict(content: Mapping[str, Any]) -> Candidate:
    """The candidate that `candidate_to_dict` wrote.

    Raises:
        ValueError: If the content is no candidate; the message names the field.
    """
    return _from_dict(Candidate, content, "candidate")


def finding_to_dict(finding: QualityFinding) -> dict[str, Any]:
    """One quality finding."""
    return _to_dict(finding, "finding")


def finding_from_dict(content: Mapping[str, Any]) -> QualityFinding:
    """The finding that `finding_to_dict` wrote.

    Raises:
        ValueError: If the content is no finding; the message names the field.
    """
    return _from_dict(QualityFinding, content, "finding")


def fusion_to_dict(fusion: FusionRule) -> dict[str, Any]:
    """A fusion rule."""
    return _to_dict(fusion, "fusion")


def fusion_from_dict(content: Mapping[str, Any]) -> FusionRule:
    """The fusion rule that `fusion_to_dict` wrote.

    Raises:
        ValueError: If the content is no fusion rule; the message names the field.
    """
    return _from_dict(FusionRule, content, "fusion")


def card_to_dict(card: ModelCard) -> dict[str, Any]:
    """A model card; the training digests become a sorted list."""
    return _to_dict(card, "card")


def card_from_dict(content: Mapping[str, Any]) -> ModelCard:
    """The card that `card_to_dict` wrote.

    Raises:
        ValueError: If the content is no model card; the message names the field.
    """
    return _from_dict(ModelCard, content, "card")


def _to_dict(value: Any, path: str) -> dict[str, Any]:
    try:
        return _fields_to_plain(value)
    except _NotPlain as error:
        raise ValueError(f"{path}{error.path} {error.reason}") from None


class _NotPlain(Exception):
    """A value that JSON can't hold, and where it was met; the path is put together on the way up.

    Attributes:
        path: where, such as ``.origin.data[2]``.
        reason: what it is.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason


def _fields_to_plain(value: Any) -> dict[str, Any]:
    plain = {}
    for name, default in _written(cast("Hashable", type(value))):
        item = getattr(value, name)
        if default is not MISSING and item == default:
            continue
        plain[name] = item if _is_plain(item) else _below(item, ".", name)
    return plain


@cache
def _written(kind: Hashable) -> tuple[tuple[str, Any], ...]:
    """A dataclass's fields, each with the default at which it is left out."""
    return tuple(
        (field.name, field.default if field.metadata.get("omit_default") else MISSING)
        for field in _fields(kind)
    )


def _below(value: Any, mark: str, place: str | int) -> Any:
    try:
        return _to_plain(value)
    except _NotPlain as error:
        at = f"[{place}]" if mark == "[" else f"{mark}{place}"
        raise _NotPlain(f"{at}{error.path}", error.reason) from None


def _to_plain(value: Any) -> Any:
    """What ``json`` can write, and nothing that it would write wrongly."""
    if _is_plain(value):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _NotPlain("", f"is {_describe(value)}, which is no finite number")
        return float(value)
    if is_dataclass(value):
        return _fields_to_plain(value)
    if isinstance(value, Mapping):
        return {_plain_key(key): _below(item, ".", key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_below(item, "[", place) for place, item in enumerate(value)]
    if isinstance(value, frozenset):
        return sorted(_to_plain(item) for item in value)
    raise _NotPlain("", f"is a {type(value).__name__}, which JSON can't hold")


def _is_plain(value: Any) -> bool:
    """Whether ``json`` writes a value as it stands: asked first, since most values are so."""
    kind = type(value)
    return math.isfinite(value) if kind is float else kind in _AS_IT_IS


_AS_IT_IS = frozenset((str, int, bool, type(None)))


def _plain_key(key: Any) -> str:
    if not isinstance(key, str):
        raise _NotPlain("", f"has the key {key!r}, which is no text")
    return key


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    """The types of a dataclass's fields; found out once, since that is slow."""
    return get_type_hints(kind)


def _from_dict(kind: type[_T], content: Any, path: str) -> _T:
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} is {_describe(content)}, not an object")  # noqa: TRY004
    hints = _hints(cast("Hashable", kind))
    unknown = sorted(str(name) for name in content if name not in hints)
    if unknown:
        raise ValueError(f"{path} has the unknown field {unknown[0]}")
    arguments = {}
    for field in _fields(kind):
        if field.name in content:
            below = f"{path}.{field.name}"
            arguments[field.name] = _from_plain(hints[field.name], content[field.name], below)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{path}.{field.name} is missing")
    try:
        return kind(**arguments)
    except ValueError as error:
        raise ValueError(f"{path} can't be: {error}") from error


def _from_plain(hint: Any, content: Any, path: str) -> Any:
    if isinstance(hint, NewType):
        return _from_plain(hint.__supertype__, content, path)
    origin = get_origin(hint)
    if origin in (types.UnionType, Union):
        return _from_optional(hint, content, path)
    if origin in (tuple, frozenset):
        return _from_list(hint, content, path)
    if isinstance(hint, type) and is_dataclass(hint):
        return _from_dict(hint, content, path)
    if origin is dict and isinstance(content, Mapping):
        return _to_dict_of(content, path)
    return _from_scalar(origin or hint, content, path)


def _to_dict_of(content: Mapping[str, Any], path: str) -> Any:
    try:
        return _to_plain(content)
    except _NotPlain as error:
        raise ValueError(f"{path}{error.path} {error.reason}") from None


def _from_optional(hint: Any, content: Any, path: str) -> Any:
    (inner,) = [argument for argument in get_args(hint) if argument is not type(None)]
    return None if content is None else _from_plain(inner, content, path)


def _from_list(hint: Any, content: Any, path: str) -> Any:
    if not isinstance(content, list | tuple):
        raise ValueError(f"{path} is {_describe(content)}, not a list")  # noqa: TRY004
    item = get_args(hint)[0]
    container = get_origin(hint)
    values = [_from_plain(item, each, f"{path}[{place}]") for place, each in enumerate(content)]
    return container(values)


def _from_scalar(kind: type, content: Any, path: str) -> Any:
    if issubclass(kind, Enum):
        try:
            return kind(content)
        except ValueError:
            choices = ", ".join(str(choice.value) for choice in kind)
            raise ValueError(f"{path} is {_describe(content)}, not one of {choices}") from None
    if kind is float and isinstance(content, int | float) and not isinstance(content, bool):
        return _finite(content, path)
    if not isinstance(content, kind) or (isinstance(content, bool) and kind is not bool):
        raise ValueError(f"{path} is {_describe(content)}, not {kind.__name__}")
    return content


def _finite(value: float, path: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{path} is {_describe(value)}, which is no finite number")
    return number


def _describe(content: Any) -> str:
    text = repr(content)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _fields(kind: Any) -> tuple[Field[Any], ...]:
    return fields(kind)
