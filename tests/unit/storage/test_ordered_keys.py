"""Keys in the order of time."""

from __future__ import annotations

from datetime import timedelta

from sigvault.storage.ordered_keys import ordered_key


def test_later_keys_sort_after_earlier_ones(now):
    times = [now + timedelta(milliseconds=step) for step in (0, 1, 15, 16, 999, 86_400_000)]
    keys = [ordered_key(at) for at in times]
    assert sorted(keys) == keys


def test_keys_of_one_moment_differ_and_lie_side_by_side(now):
    keys = {ordered_key(now) for _ in range(1000)}
    assert len(keys) == 1000
    later = ordered_key(now + timedelta(milliseconds=1))
    assert max(keys) < later


def test_a_key_is_thirty_two_hex_digits_that_begin_with_the_milliseconds(now):
    key = ordered_key(now)
    assert len(key) == 32
    assert int(key[:12], 16) == round(1000 * now.timestamp())
    assert int(key, 16) >= 0
