from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sigvault.reporting.number_line import place_score

scores = st.floats(-2.0, 2.0)


@given(scores, scores, scores)
def test_places_keep_the_order_of_the_numbers(score, one, other):
    refuse, accept = sorted((one, other))
    line = place_score(score, refuse, accept)

    places = sorted([(score, line.score), (refuse, line.refuse), (accept, line.accept)])
    values = [place for _, place in places]
    assert values == sorted(values)
    assert all(0.0 <= place <= 100.0 for place in values)


@given(scores, scores, scores)
def test_the_zone_lies_in_the_middle_and_leaves_room_for_its_labels(score, one, other):
    refuse, accept = sorted((one, other))
    line = place_score(score, refuse, accept)

    assert abs(line.refuse + line.accept - 100.0) < 0.05
    assert line.refuse >= 31.9


@given(scores, scores, scores)
def test_ticks_are_on_the_line_rise_and_say_where_they_are(score, one, other):
    refuse, accept = sorted((one, other))
    line = place_score(score, refuse, accept)

    assert 2 <= len(line.ticks) <= 6
    places = [tick.at for tick in line.ticks]
    assert places == sorted(set(places))
    assert all(0.0 < place < 100.0 for place in places)
    assert len({tick.label for tick in line.ticks}) == len(line.ticks)


def test_label_turns_inwards_near_the_ends():
    assert place_score(-1.0, 0.5, 0.6).anchor == "start"
    assert place_score(0.55, 0.5, 0.6).anchor == "middle"
    assert place_score(2.0, 0.5, 0.6).anchor == "end"
