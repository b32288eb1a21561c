"""The same picture twice: one side of the split, one signer, or nobody."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigvault.training.copies import CopyKind, Picture, Side, as_lines, drop_copies, ink_digest


def picture(name: str, ink: str, signer: str = "a", **entries: object) -> Picture:
    defaults = {"genuine": True, "side": Side.TRAINING}
    return Picture(Path(name), ink, ("data", signer, ""), **{**defaults, **entries})


@pytest.mark.parametrize(
    ("copy", "kind", "kept"),
    [
        (picture("2", "x"), CopyKind.REPEATED, "1"),
        (picture("2", "x", "b"), CopyKind.TWO_SIGNERS, None),
        (picture("2", "x", genuine=False), CopyKind.GENUINE_AND_FORGED, None),
        (picture("2", "x", "b", side=Side.VALIDATION), CopyKind.ACROSS_SPLIT, "2"),
        (picture("2", "x", "b", side=Side.HELD_OUT), CopyKind.ACROSS_SPLIT, "2"),
    ],
)
def test_a_copy_is_settled_by_what_it_contradicts(copy: Picture, kind: CopyKind, kept: str | None):
    usable, found = drop_copies([picture("1", "x"), picture("3", "y"), copy])
    assert usable.tolist() == [kept == "1", True, kept == "2"]
    (case,) = found
    assert case.kind is kind
    assert case.kept == (None if kept is None else Path(kept))
    assert all(path.name in str(case) for path in case.dropped)


def test_copies_across_the_split_under_two_held_out_signers_go_on_both_sides():
    usable, found = drop_copies(
        [
            picture("1", "x"),
            picture("2", "x", "b", side=Side.HELD_OUT),
            picture("3", "x", "c", side=Side.HELD_OUT),
        ]
    )
    assert not usable.any()
    assert [case.kind for case in found] == [CopyKind.ACROSS_SPLIT, CopyKind.TWO_SIGNERS]
    assert as_lines(found)["dropped"] == {
        "repeated": 0,
        "across the split": 1,
        "under two signers": 2,
        "genuine and forged": 0,
    }


pictures = st.lists(
    st.builds(
        Picture,
        path=st.integers(0, 99).map(lambda number: Path(str(number))),
        ink=st.sampled_from("wxyz"),
        group=st.tuples(st.just("d"), st.sampled_from("abc"), st.just("")),
        genuine=st.booleans(),
        side=st.sampled_from(Side),
    ),
    max_size=12,
)


@given(pictures)
def test_no_picture_is_used_twice_and_single_ones_always(drawn: list[Picture]):
    usable, found = drop_copies(drawn)
    by_ink: defaultdict[str, list[int]] = defaultdict(list)
    for number, own in enumerate(drawn):
        by_ink[own.ink].append(number)
    for numbers in by_ink.values():
        used = [drawn[number] for number in numbers if usable[number]]
        assert len(used) <= 1
        assert len(numbers) > 1 or len(used) == 1
        for own in used:
            measured = max(drawn[number].side for number in numbers)
            assert own.side == measured
            there = [drawn[number] for number in numbers if drawn[number].side == measured]
            assert {(other.group, other.genuine) for other in there} == {(own.group, own.genuine)}
    assert sum(len(case.dropped) for case in found) == int((~usable).sum())


def test_ink_is_told_apart_by_every_pixel():
    ink = np.zeros((3, 4, 5), np.uint8)
    ink[1, 2, 3] = 1
    digests = [ink_digest(own) for own in ink]
    assert digests[0] == digests[2] != digests[1]
