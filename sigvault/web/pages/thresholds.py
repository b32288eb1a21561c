"""The thresholds: what they rest on, and what another accept point would cost."""

from __future__ import annotations

from starlette.responses import Response

from sigvault.domain.comparison import OperatingPoint, Threshold
from sigvault.web.drawings.det import draw_det
from sigvault.web.rendering import render
from sigvault.web.views.costs import late_scores, view_costs
from sigvault.web.visits import Visit


def show_thresholds(visit: Visit) -> Response:
    """A threshold's curve with its points, and one point that somebody looks at."""
    thresholds = visit.vault.thresholds()
    threshold = _chosen(thresholds, visit.number("references"))
    if threshold is None:
        return render(visit, "thresholds", thresholds=(), threshold=None)
    at = min(visit.number("at", _nearest(threshold)), max(0, len(threshold.points) - 1))
    point = threshold.points[at] if threshold.points else None
    moved = None if point is None or point.score == threshold.accept else point
    present, scores = _present(threshold), late_scores(visit, threshold)
    return render(
        visit,
        "thresholds",
        thresholds=thresholds,
        threshold=threshold,
        at=at,
        point=point,
        moved=moved,
        det=draw_det(threshold, None if moved is None else moved.rates),
        costs=view_costs(threshold, present if moved is None else moved, scores),
        present=view_costs(threshold, present, scores),
    )


def _chosen(thresholds: tuple[Threshold, ...], references: int) -> Threshold | None:
    """The threshold for a number of references; the one for most, up to 5, if none is asked."""
    for threshold in thresholds:
        if threshold.references == references:
            return threshold
    usual = [threshold for threshold in thresholds if threshold.references <= 5]
    return next(reversed(usual or thresholds), None)


def _nearest(threshold: Threshold) -> int:
    """The measured point at the accept point."""
    return min(
        range(len(threshold.points)),
        key=lambda place: abs(threshold.points[place].score - threshold.accept),
        default=0,
    )


def _present(threshold: Threshold) -> OperatingPoint:
    return OperatingPoint(threshold.accept, threshold.accept_rates)
