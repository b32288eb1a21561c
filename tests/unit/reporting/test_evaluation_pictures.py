from __future__ import annotations

import re
import threading
import xml.etree.ElementTree as ET
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from evaluation_reports import made_up_results, make_signers, make_subject, no_gates

from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.binary_measures import DetectionCost
from sigvault.evaluation.hardest_errors import HardError
from sigvault.evaluation.report import EvaluationReport
from sigvault.reporting.evaluation import draw_evaluation
from sigvault.reporting.evaluation.curves import draw_curves
from sigvault.reporting.evaluation.drawing import drawn_alike, one_panel, to_svg
from sigvault.reporting.evaluation.errors_gallery import gather_errors
from sigvault.reporting.evaluation.histograms import draw_histogram
from sigvault.reporting.evaluation.identification_plot import draw_identification
from sigvault.reporting.evaluation.maps import (
    SIGNERS,
    choose_shown,
    neighbour_map,
    principal_components,
)
from sigvault.reporting.evaluation.result_tables import (
    decision_tables,
    headline_table,
    identification_table,
    ratio_table,
)
from sigvault.reporting.evaluation.signers_plot import SHOWN, draw_signers, rank_signers


@pytest.fixture
def results():
    return made_up_results((1, 3))


def _signer(result, number, **changes):
    return replace(result.per_signer[0], signer=SignerId(str(number)), **changes)


def _strange(results):
    """Results whose folds each have thresholds of their own."""
    return [replace(one, frozen=replace(one.frozen, accept=None, refuse=None)) for one in results]


def test_pictures_are_whole_svg_files_without_a_date(results):
    report = EvaluationReport(make_subject(), no_gates(), results)

    pictures = draw_evaluation(report, make_signers(4))

    assert len(pictures) == 4 + 2 + 2 + 2 + 2 + 2 + 2
    for name, svg in pictures.items():
        assert name.endswith(".svg")
        assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
        assert b"<dc:date>" not in svg
        assert b"<text" not in svg, "letters are outlines, so nothing depends on the reader's fonts"


def test_everything_drawn_lies_inside_the_picture(results):
    for drawing in draw_curves(results):
        root = ET.fromstring(drawing.svg)
        width, height = (float(size) for size in root.attrib["viewBox"].split()[2:])
        for use in root.iter("{http://www.w3.org/2000/svg}use"):
            if "x" in use.attrib and "y" in use.attrib:
                assert 0 <= float(use.attrib["x"]) <= width
                assert 0 <= float(use.attrib["y"]) <= height


def test_settings_of_the_process_are_left_as_they_were():
    before = mpl.rcParams["font.size"], mpl.rcParams["svg.hashsalt"]

    with drawn_alike():
        assert mpl.rcParams["svg.hashsalt"] == "sigvault"

    assert (mpl.rcParams["font.size"], mpl.rcParams["svg.hashsalt"]) == before


def test_threads_draw_the_same_picture(results):
    made: list[bytes] = []

    def draw():
        with drawn_alike():
            made.append(draw_histogram(results[0]).svg)

    threads = [threading.Thread(target=draw) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 3
    assert len(set(made)) == 1


def test_another_figure_gives_other_bytes():
    made = []
    for end in (1, 2):
        with drawn_alike():
            figure, axes = one_panel()
            axes.plot([0, 1], [0, end])
            made.append(to_svg(figure))

    assert made[0] != made[1]


def test_no_results_make_no_curves():
    assert not list(draw_curves([]))
    assert not list(draw_identification([]))


def test_curves_are_drawn_for_the_kinds_that_there_are(results):
    bare = [
        replace(one, binary=replace(one.binary, skilled=None), skilled_eer=None, frozen=None)
        for one in results
    ]

    drawings = list(draw_curves(bare))

    assert [one.name for one in drawings] == ["det_random", "roc_random"]
    assert "frozen" not in drawings[0].caption
    assert "enlarges the corner" in drawings[1].caption


def test_corner_is_not_enlarged_for_a_poor_system(results):
    poor = []
    for one in results:
        found = one.binary.random
        worse = replace(found, auc=replace(found.auc, value=0.6))
        poor.append(replace(one, binary=replace(one.binary, random=worse, skilled=None)))

    roc = list(draw_curves(poor))[1]

    assert "enlarges the corner" not in roc.caption


def test_operating_points_without_skilled_rates_are_left_out_of_their_curve(results):
    unknown = [
        replace(
            one,
            frozen=replace(
                one.frozen,
                accept_rates=replace(one.frozen.accept_rates, skilled_fmr=None),
                refuse_rates=replace(one.frozen.refuse_rates, skilled_fmr=None),
            ),
        )
        for one in results
    ]

    with_points, without = next(draw_curves(results)), next(draw_curves(unknown))

    assert len(without.svg) < len(with_points.svg)


def test_histogram_says_where_its_thresholds_are(results):
    assert "right of the accept point is accepted" in draw_histogram(results[0]).caption
    (folds,) = _strange(results[:1])
    assert "Each fold has thresholds of its own" in draw_histogram(folds).caption
    bare = replace(results[0], frozen=None)
    assert "No threshold was frozen" in draw_histogram(bare).caption


def test_decisions_of_folds_say_that_each_has_its_own_threshold(results):
    table = next(decision_tables(_strange(results)))

    assert table.rows[1][1].text == "one a fold"


def test_identification_without_a_frozen_point_has_no_star(results):
    bare = [
        replace(one, identification=replace(one.identification, frozen=None)) for one in results
    ]

    captions = [one.caption for one in draw_identification(bare)]

    assert len(captions) == 2
    assert not any("Stars" in caption for caption in captions)


def test_identification_table_drops_what_was_not_measured(results):
    bare = []
    for one in results:
        found = one.identification
        points = tuple(replace(point, supported=True) for point in found.open_set)
        shorter = found.cmc[: 5 - one.references]
        bare.append(
            replace(one, identification=replace(found, frozen=None, open_set=points, cmc=shorter))
        )

    table = identification_table(bare)

    assert table is not None
    assert len(table.notes) == 1
    names = [row[0].text for row in table.rows]
    assert not any("frozen" in name for name in names)
    assert table.rows[names.index("Signer among the first 3")][2].text == "–"


def test_no_thresholds_make_no_tables_of_decisions_and_ratios(results):
    bare = [replace(one, frozen=None) for one in results]

    assert not list(decision_tables(bare))
    assert ratio_table(bare) is None


def test_kind_that_some_results_lack_is_drawn_for_the_others(results):
    first, second = results
    lacking = replace(first, binary=replace(first.binary, skilled=None))

    drawing = next(draw_curves([lacking, second]))

    assert drawing.name == "det_skilled"
    assert len(drawing.svg) < len(next(draw_curves(results)).svg)


def test_signers_are_ranked_and_the_easiest_left_out_of_a_crowd(results):
    crowd = tuple(
        _signer(results[0], f"a long name {number}", eer=(number * 37 % 100) / 200)
        for number in range(SHOWN + 40)
    )
    unknown = _signer(results[0], "unknown", eer=None)

    ranked = rank_signers([*crowd, unknown])
    drawing = draw_signers(replace(results[0], per_signer=(*crowd, unknown)))

    assert [one.eer for one in ranked] == sorted(one.eer for one in crowd)
    assert drawing is not None
    assert f"The {SHOWN} hardest of {SHOWN + 40} signers are drawn" in drawing.caption


def test_signers_without_forgeries_are_not_drawn(results):
    alone = (_signer(results[0], 1, eer=None),)

    assert draw_signers(replace(results[0], per_signer=alone)) is None


def test_signers_whose_skilled_forgeries_are_unknown_are_drawn_without(results):
    some = tuple(
        _signer(results[0], number, eer=0.1, frozen_fnmr=0.2, frozen_skilled_fmr=None)
        for number in range(3)
    )

    drawing = draw_signers(replace(results[0], per_signer=some))

    assert drawing is not None
    assert "frozen accept point" in drawing.caption


def test_errors_say_what_the_threshold_answered(results):
    def error(kind, wrong):
        return HardError(kind, SignerId("1"), 0.5, "gone/a.png", "gone/b.png", wrong)

    errors = (
        error("mated", True),
        error("mated", False),
        error("random", None),
        error("skilled", True),
        error("skilled", False),
    )

    groups = gather_errors(replace(results[0], hardest=errors))

    said = [[pair.verdict for pair in group.pairs] for group in groups]
    assert said == [
        ["not accepted at the frozen point: wrong", "accepted at the frozen point: right"],
        [""],
        ["accepted at the frozen point: wrong", "not accepted at the frozen point: right"],
    ]
    assert groups[0].pairs[0].probe.name == "a.png"
    assert len(gather_errors(replace(results[0], hardest=errors[:2]))) == 1


def test_maps_show_a_few_signers_and_say_which():
    shown = choose_shown(make_signers(30))

    assert shown is not None
    assert len(shown.names) == SIGNERS
    assert shown.names[0] == "1"
    assert shown.names[-1] == "30"
    assert shown.names == tuple(sorted(shown.names, key=int))
    assert f"{SIGNERS} of 30 signers" in shown.who
    assert ", ".join(shown.names) in shown.who
    assert choose_shown(make_signers(3, prefix="x")).who.startswith("All 3 signers")


def test_links_lead_from_genuine_anchors_to_what_they_say():
    shown = choose_shown(make_signers(6))

    assert shown is not None
    assert {link.kind for link in shown.links} == {"mated", "skilled", "random"}
    for link in shown.links:
        same = shown.owner[link.start] == shown.owner[link.end]
        assert link.start != link.end
        assert not shown.forged[link.start]
        assert bool(same) is (link.kind != "random")
        assert bool(shown.forged[link.end]) is (link.kind == "skilled")


def test_too_few_images_make_no_map():
    (one, *_) = make_signers(1)

    assert choose_shown([]) is None
    assert choose_shown([replace(one, genuine=one.genuine[:2], forged=())]) is None


def test_one_signer_alone_has_links_to_its_own_images_only():
    shown = choose_shown(make_signers(1))

    assert shown is not None
    assert {link.kind for link in shown.links} == {"mated", "skilled"}


def test_principal_components_keep_distances_in_a_plane():
    rng = np.random.default_rng(3)
    flat = rng.normal(size=(20, 2)) @ np.linalg.qr(rng.normal(size=(6, 2)))[0].T

    places, shares = principal_components(flat, 3)

    assert shares.sum() == pytest.approx(1.0)
    wanted = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    found = np.linalg.norm(places[:, None] - places[None], axis=-1)
    assert np.allclose(found, wanted)


def test_components_that_do_not_exist_are_zero():
    places, shares = principal_components(np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), 3)

    assert places.shape == (3, 3)
    assert not places[:, 2].any()
    assert shares[2] == 0.0


def test_neighbour_map_keeps_groups_apart_and_comes_out_the_same():
    rng = np.random.default_rng(5)
    groups = np.repeat([0, 1], 12)
    vectors = rng.normal(0, 0.05, (24, 8)) + np.eye(8)[groups]

    places, perplexity = neighbour_map(vectors)

    assert perplexity == pytest.approx(23 / 3)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    assert (groups[apart.argmin(axis=1)] == groups).all()
    assert np.array_equal(neighbour_map(vectors)[0], places)


def test_costs_that_differ_are_named(results):
    one = results[0]
    cost = replace(one.binary.random.costs[0], cost=DetectionCost(10.0, 1.0, 0.25))
    binary = replace(one.binary, random=replace(one.binary.random, costs=(cost,)), skilled=None)

    supported = tuple(replace(point, supported=True) for point in binary.fixed)
    table = headline_table([replace(one, binary=replace(binary, fixed=supported))])

    names = [row[0].text for row in table.rows]
    assert len(table.notes) == 1

    assert "minDCF, random forgeries, 25 % genuine, costs 10 and 1" in names
    assert not any(re.search("AUC, skilled", name) for name in names)
