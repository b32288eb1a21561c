from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import FakeEmbedder, make_threshold
from sigvault.domain.comparison import Rate
from sigvault.reporting.words import (
    count,
    explain_ratio,
    percent,
    rate_in_words,
    readable_ratio,
)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (0.0005, "0.05 %"),
        (0.001, "0.1 %"),
        (0.034, "3.4 %"),
        (0.0996, "10 %"),
        (0.12, "12 %"),
        (1.0, "100 %"),
    ],
)
def test_percent(share, text):
    assert percent(share) == text


def test_rate_in_words():
    assert rate_in_words(Rate(0.034, 0.021, 0.05)) == "3.4 % (2.1 % to 5.0 %)"


@pytest.mark.parametrize(
    ("exponent", "text"),
    [(0.0, "1.0"), (0.5, "3.2"), (0.999, "10"), (1.61, "41"), (3.8, "6,300"), (6.0, "1,000,000")],
)
def test_readable_ratio(exponent, text):
    assert readable_ratio(exponent) == text


@given(st.floats(0.0, 8.0))
def test_readable_ratio_is_right_to_two_digits(exponent):
    read = float(readable_ratio(exponent).replace(",", ""))
    assert read == pytest.approx(10.0**exponent, rel=0.051)


@pytest.mark.parametrize(
    ("llr", "text"),
    [
        (1.0, "about 10 times as probable if signer 53 wrote it as if somebody imitated"),
        (-1.0, "about 10 times as probable if somebody imitated the signature as if signer 53"),
        (0.0, "as probable if signer 53 wrote it as if somebody imitated"),
    ],
)
def test_ratio_names_the_likelier_side_first(llr, text):
    sentence = explain_ratio(llr, make_threshold(3, FakeEmbedder().model), "53")
    assert text in sentence
    assert "no stronger statement" not in sentence


@pytest.mark.parametrize("llr", [2.0, -3.0])
def test_ratio_at_the_end_of_the_data_says_so(llr):
    sentence = explain_ratio(llr, make_threshold(3, FakeEmbedder().model), "53")
    assert "no stronger statement" in sentence


def test_count_has_its_noun():
    assert count(1, "signer") == "1 signer"
    assert count(1200, "signer") == "1,200 signers"
    assert count(2, "skilled forgery", "skilled forgeries") == "2 skilled forgeries"
