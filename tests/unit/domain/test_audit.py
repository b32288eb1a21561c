"""The canonical form does not depend on which of its values were written before."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigvault.domain.audit import FIRST_HASH, Written, canonical_json, chain_hash

text = st.text(max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
).filter(lambda value: "Infinity" not in json.dumps(value))
objects = st.dictionaries(text, values, max_size=6)
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@given(objects, st.data())
def test_values_that_are_written_already_stand_where_they_would(
    content: dict[str, Any], data: st.DataObject
) -> None:
    chosen = data.draw(st.sets(st.sampled_from(sorted(content)))) if content else set()
    mixed = {
        key: Written(canonical_json(value)) if key in chosen else value
        for key, value in content.items()
    }
    assert canonical_json(mixed) == canonical_json(content)
    assert json.loads(canonical_json(mixed)) == content


@given(objects)
def test_a_written_public_part_has_the_same_hash(public: dict[str, Any]) -> None:
    written = Written(canonical_json(public))
    one, other = (
        chain_hash(7, AT, "verified", part, "0" * 64, FIRST_HASH) for part in (public, written)
    )
    assert one == other


def test_a_written_value_further_down_is_refused() -> None:
    with pytest.raises(TypeError):
        canonical_json({"deep": {"down": Written("1")}})
