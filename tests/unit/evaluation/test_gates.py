"""The gates see a planted leak, and take the writing for the writing."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from scipy import ndimage

from sigvault.domain.errors import DatasetError
from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.gate_page import LISTED, render_gates
from sigvault.evaluation.gate_verdicts import Verdict, judge
from sigvault.evaluation.gates import GateCollector
from sigvault.evaluation.leaks import Leak, Separation, measure_leak
from sigvault.evaluation.session_test import SessionTest

FINENESS = 2
HEIGHT, WIDTH = 48, 96
GOOD_SESSION = SessionTest(cosine=0.51, local=0.49, comparisons=100)


def _means(fine):
    size = (HEIGHT, FINENESS, WIDTH, FINENESS)
    return fine.reshape(size).mean((1, 3), dtype=np.float32)


def _fine(rng, name, stretch=1.0, pen=1):
    """Three arches, somewhat other ones for each signer's name and each time that it is written."""
    fine = np.zeros((HEIGHT * FINENESS, WIDTH * FINENESS), bool)
    along = np.linspace(0, 1, 1500)
    for arch, bend in enumerate(name):
        left = 14 + 55 * arch + rng.normal(0, 2)
        height = 40 * stretch * (1 + rng.normal(0, 0.06))
        rows = 80 - height * np.abs(np.sin(np.pi * (along + bend * along**2)))
        fine[np.rint(rows).astype(int), np.rint(left + 45 * along).astype(int)] = True
    return ndimage.binary_dilation(fine, iterations=pen).astype(np.float32)


def _collect(leak=None, signers=12, each=6, forgeries=True, stretch=1.0):
    """Pictures whose forgeries differ by what ``leak`` does to the canvas, or by their height."""
    rng = np.random.default_rng(5)
    collector = GateCollector()
    for number in range(signers):
        name = rng.uniform(-0.3, 0.3, 3)
        for genuine in (True, False) if forgeries else (True,):
            for count in range(each):
                pen = 2 if leak == "pen" and not genuine else 1
                fine = _fine(rng, name, 1.0 if genuine else stretch, pen)
                ink = _means(fine)
                if leak is not None and leak != "pen" and not genuine:
                    ink = leak(ink)
                collector.add(
                    SignerId(str(number)),
                    genuine,
                    f"{number}-{genuine}-{count}",
                    np.asarray(ink, np.float32),
                    file_bytes=1000 + int(rng.integers(100)) + 500 * (not genuine),
                    grey=np.rint(255 * (1 - ink)).astype(np.uint8),
                    fine=fine,
                )
    return collector


def _by_name(report):
    return {one.seen.statistic: one for one in report.statistics}


def _failed(report):
    return {name for name, one in _by_name(report).items() if one.verdict is Verdict.FAILED}


class TestPlantedLeaks:
    @pytest.mark.parametrize(
        ("leak", "statistics"),
        [
            (lambda ink: 0.1 + 0.9 * ink, {"paper median"}),
            ("pen", {"stroke width", "ink fraction"}),
            (lambda ink: ndimage.gaussian_filter(ink, 0.7), {"steepest edge across", "ink mean"}),
            (lambda ink: 0.8 * ink, {"ink mean", "steepest edge down"}),
            (
                lambda ink: ink + np.abs(np.random.default_rng(1).normal(0, 0.02, ink.shape)),
                {"paper noise"},
            ),
        ],
        ids=["brighter paper", "thicker pen", "softer edges", "paler ink", "noise"],
    )
    def test_one_fails_though_the_path_is_the_same(self, leak, statistics):
        report = _collect(leak).finish(GOOD_SESSION, draws=50)
        assert not report.passed
        assert statistics <= _failed(report)
        for name in statistics:
            one = _by_name(report)[name]
            assert max(one.seen.pooled.auc, one.seen.centred.auc) > 0.9
            assert any(line.startswith(f"{name} separates") for line in report.failures)

    def test_a_thicker_pen_is_not_excused_by_a_path_that_differs_too(self):
        report = _collect("pen", stretch=1.3).finish(GOOD_SESSION, draws=50)
        assert "stroke width" in _failed(report)
        assert _by_name(report)["height"].verdict is Verdict.EXPLAINED


class TestTheWriting:
    def test_taller_letters_are_explained_by_the_path(self):
        report = _collect(stretch=1.3).finish(GOOD_SESSION, draws=50)
        height = _by_name(report)["height"]
        assert height.seen.pooled.auc > 0.9
        assert height.verdict is Verdict.EXPLAINED
        assert any(line.startswith("height is in the pen") for line in report.explained)
        assert _by_name(report)["paper median"].verdict is Verdict.PASSED
        assert not _failed(report) & {"height", "upright travel", "aspect", "outline length"}

    def test_figures_are_those_of_each_statistic_by_itself(self):
        collector = _collect(stretch=1.1)
        report = collector.finish(GOOD_SESSION, draws=20, seed=3)
        for one in report.statistics:
            values = [own[one.seen.statistic] for own in collector._seen]
            alone = measure_leak(
                one.seen.statistic, values, collector._forged, collector._signers, draws=20, seed=3
            )
            assert one.seen == alone

    def test_pictures_that_do_not_differ_pass_every_gate(self):
        collector = GateCollector()
        rng = np.random.default_rng(0)
        for number in range(6):
            for count in range(4):
                angle = 15 * (4 * number + count)
                fine = ndimage.rotate(_fine(rng, (0.1, 0.2, 0.3)), angle, reshape=False, order=0)
                for genuine in (True, False):
                    collector.add(
                        SignerId(str(number)),
                        genuine,
                        f"{number}-{count}",
                        _means(fine),
                        file_bytes=100,
                    )
        report = collector.finish(GOOD_SESSION, draws=20)
        assert report.passed
        assert report.failures == report.explained == report.not_asked == ()
        assert [leak.statistic for leak in report.scanned] == ["file size"]
        assert len(report.own_copies) >= 24
        assert render_gates(report)[0].startswith("**Gates passed**")


def _leak(pooled, centred=0.5, *, forged_higher=True):
    ends = {"low": 0.4, "high": 0.9, "forged_higher": forged_higher}
    return Leak("x", Separation(pooled, **ends), Separation(centred, **ends), 1.0)


class TestRule:
    @pytest.mark.parametrize(
        ("seen", "path", "correlation", "verdict"),
        [
            (_leak(0.55, 0.55), _leak(0.5), 0.0, Verdict.PASSED),
            (_leak(0.70), _leak(0.66), 0.3, Verdict.EXPLAINED),
            (_leak(0.70), _leak(0.64), 0.9, Verdict.FAILED),  # loses more than 0.05
            (_leak(0.58), _leak(0.53), 0.9, Verdict.FAILED),  # keeps less than half
            (_leak(0.70), _leak(0.70), 0.29, Verdict.FAILED),  # is something else
            (_leak(0.70), _leak(0.70, forged_higher=False), 0.9, Verdict.FAILED),
            (_leak(0.70, 0.70), _leak(0.70, 0.6), 0.9, Verdict.FAILED),  # within the signer only
            (_leak(0.50, 0.70), _leak(0.6, 0.75), 0.9, Verdict.EXPLAINED),
        ],
    )
    def test_most_of_what_separates_must_be_in_the_path(self, seen, path, correlation, verdict):
        assert judge(seen, path, correlation) is verdict


class TestOtherGates:
    def test_a_picture_under_two_signers_fails_with_both_names(self):
        collector = _collect(signers=3)
        ink = _means(_fine(np.random.default_rng(9), (0.4, -0.4, 0.2)))
        for signer in ("0", "1", "1"):
            collector.add(SignerId(signer), True, f"{signer}/same", ink, file_bytes=1)
        report = collector.finish(GOOD_SESSION, draws=5)
        planted = [copy for copy in report.copies if copy.first == "0/same"]
        assert [(copy.second, copy.second_signer) for copy in planted] == [("1/same", "1")] * 2
        assert any("under different signers" in line for line in report.failures)
        assert ("1/same", "1/same") in [(copy.first, copy.second) for copy in report.own_copies]

    def test_sessions_that_scores_tell_apart_fail(self):
        report = _collect().finish(SessionTest(0.6, 0.5, 9), draws=5)
        assert any("0.600 by the cosine" in line for line in report.failures)
        assert "does **not** hold" in "\n".join(render_gates(report))


class TestWhatCannotBeAsked:
    def test_without_forgeries_no_statistic_is_judged(self):
        report = _collect(forgeries=False).finish(None, draws=5)
        assert report.statistics == report.scanned == ()
        assert len(report.not_asked) == 2
        assert "no forgeries" in report.not_asked[0]
        assert not any("separates" in line for line in report.failures)

    def test_nor_without_genuine_signatures(self):
        collector = GateCollector()
        ink = np.zeros((8, 8), np.float32)
        collector.add(SignerId("a"), False, "x", ink, file_bytes=1)
        report = collector.finish(GOOD_SESSION)
        assert report.passed
        assert len(report.not_asked) == 1
        assert "no genuine" in report.not_asked[0]

    def test_one_signer_has_no_session_test_but_is_judged(self):
        report = _collect("pen", signers=1).finish(None, draws=5)
        assert "fewer than two signers" in report.not_asked[0]
        assert "stroke width" in _failed(report)
        assert any("chance is not ruled out" in line for line in report.failures)

    def test_a_session_test_that_was_left_out_is_named(self):
        assert "not run" in _collect(signers=2).finish(None, draws=5).not_asked[0]

    def test_no_picture_at_all_is_an_error(self):
        with pytest.raises(DatasetError, match="at least one"):
            GateCollector().finish(None)

    @pytest.mark.parametrize(
        ("ink", "fine", "words"),
        [((9, 8), None, "others of"), ((8, 8), (16, 17), "multiple"), ((8, 8), (4, 4), "multiple")],
    )
    def test_pictures_that_do_not_fit_are_refused(self, ink, fine, words):
        collector = GateCollector()
        collector.add(SignerId("a"), True, "x", np.zeros((8, 8), np.float32), file_bytes=1)
        finer = None if fine is None else np.zeros(fine, np.float32)
        with pytest.raises(ValueError, match=words):
            collector.add(
                SignerId("a"), True, "y", np.zeros(ink, np.float32), file_bytes=1, fine=finer
            )


class TestPage:
    def test_it_says_the_verdict_first_and_every_failure(self):
        report = _collect("pen", stretch=1.3).finish(GOOD_SESSION, draws=20)
        lines = render_gates(report)
        assert lines[0].startswith("**Gates FAILED**: 72 genuine")
        assert all(f"- {line}" in lines for line in (*report.failures, *report.explained))
        page = "\n".join(lines)
        for name, one in _by_name(report).items():
            row = next(line for line in lines if line.startswith(f"| {name} |"))
            assert str(one.verdict) in row
            assert f"{one.seen.pooled.low:.2f}–{one.seen.pooled.high:.2f}" in row
        assert "As scanned, for information" in page
        assert "| file size | **1.00 F**" in page

    def test_many_copies_are_counted_by_signer(self):
        collector = GateCollector()
        ink = _means(_fine(np.random.default_rng(9), (0.4, -0.4, 0.2)))
        for place in range(8):
            signer = SignerId("ab"[place % 2])
            collector.add(signer, True, f"{place}", ink, file_bytes=1)
        report = collector.finish(None)
        lines = render_gates(report)
        assert len(report.copies) == 16
        assert f"- and {16 - LISTED} more" in lines
        assert "- signers a and b: 16" in lines
        assert len(report.own_copies) == 12
        assert "- signer a: 6" in lines

    def test_it_is_plain_data(self):
        report = _collect(signers=2, each=3).finish(GOOD_SESSION, draws=5)
        again = json.loads(json.dumps(asdict(report), allow_nan=False))
        assert again["passed"] is report.passed
        assert again["session"]["cosine"] == 0.51
