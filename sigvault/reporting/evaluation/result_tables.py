"""The figures of P1 and P4 as tables: measures down, numbers of references across."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sigvault.domain.comparison import Rate
from sigvault.evaluation.binary_measures import DetectionCost, Discrimination, FixedFmr
from sigvault.evaluation.decision_measures import DecisionMeasures
from sigvault.evaluation.results import DecisionShares, FrozenResult, ReferencesResult, SignerResult
from sigvault.reporting.evaluation.pieces import (
    NOTHING,
    Cell,
    Table,
    figure,
    rate,
    row,
    share,
)
from sigvault.reporting.words import count

Results = Sequence[ReferencesResult]
Row = tuple[Cell, ...]

FROZEN = "The thresholds were fixed before these signers were scored."


def headline_table(results: Results) -> Table:
    """The error rates of each number of references."""
    rows = [
        _plain(results, "Signers claimed", lambda one: str(one.signers)),
        _plain(results, "Draws of the references", lambda one: str(one.draws)),
        _plain(results, "Comparisons: genuine", lambda one: f"{one.mated:,}"),
        _plain(results, "Comparisons: random forgeries", lambda one: f"{one.random:,}"),
        _plain(results, "Comparisons: skilled forgeries", lambda one: f"{one.skilled:,}"),
        _rates(
            results,
            "Skilled-forgery EER",
            lambda one: one.skilled_eer.rate if one.skilled_eer else None,
        ),
        _rates(results, "Random-forgery EER", lambda one: one.random_eer.rate),
        *_fixed_rows(results),
        *_discrimination_rows(results, "skilled forgeries", lambda one: one.binary.skilled),
        *_discrimination_rows(results, "random forgeries", lambda one: one.binary.random),
        _ratio(results, "Cllr, bits", lambda one: one.ratios.cllr),
        _ratio(results, "Least Cllr, bits", lambda one: one.ratios.minimum_cllr),
        _rates(results, "FTA: images that can't serve", lambda one: one.acquisition.fta),
        _rates(results, "FTE: signers who can't enroll", lambda one: one.acquisition.fte),
    ]
    return Table("Error rates", _head(results), tuple(rows), tuple(_notes(results)), rates=True)


def decision_tables(results: Results) -> Iterator[Table]:
    """What the frozen thresholds did; nothing where there are none."""
    frozen = [(one, one.frozen) for one in results if one.frozen is not None]
    if not frozen:
        return
    head = ("", *(f"R = {one.references}" for one, _ in frozen))
    points = [own for _, own in frozen]
    rows = [
        row(
            "Calibrated with R", [Cell(", ".join(map(str, own.calibrated_with))) for own in points]
        ),
        row("Accept from a score of", [_point(own.accept) for own in points]),
        row("Refuse below a score of", [_point(own.refuse) for own in points]),
    ]
    for kind, pick in _SHARES.items():
        for answer in ("accept", "review", "refuse"):
            shares = [pick(own) for own in points]
            if any(shares):
                cells = [rate(getattr(own, answer) if own else None) for own in shares]
                rows.append(row(f"{kind}: {answer}", cells))
    yield Table("Decisions at the frozen thresholds", head, tuple(rows), (FROZEN,), rates=True)
    yield Table(
        "At the accept point, all below it counting as failed",
        head,
        tuple(_decision_rows(points)),
        ("Accuracy and precision depend on how many forgeries there are for a genuine signature.",),
        rates=True,
    )


def ratio_table(results: Results) -> Table | None:
    """How far the likelihood ratios can be trusted; None without any."""
    frozen = [(one.references, one.frozen.ratios) for one in results if one.frozen is not None]
    if not frozen:
        return None
    rows = (
        row("Cllr, bits", [figure(own.cllr) for _, own in frozen]),
        row("Least Cllr, bits", [figure(own.minimum_cllr) for _, own in frozen]),
        row("Calibration loss, bits", [figure(own.calibration_loss) for _, own in frozen]),
        row(
            "Expected calibration error (ECE)",
            [rate(own.expected_calibration_error) for _, own in frozen],
        ),
    )
    head = ("", *(f"R = {number}" for number, _ in frozen))
    return Table("Likelihood ratios", head, rows, rates=True)


def distance_table(results: Results) -> Table:
    """Distances of the global vectors, and the triplet loss."""
    rows = [
        row("Mean distance, mated", [figure(one.distances.mated) for one in results]),
        row("Mean distance, random forgeries", [figure(one.distances.random) for one in results]),
        row("Mean distance, skilled forgeries", [figure(one.distances.skilled) for one in results]),
    ]
    for kind in ("random", "skilled"):
        triplets = [getattr(one.distances, f"{kind}_triplets") for one in results]
        if any(triplets):
            rows += [
                row(
                    f"Triplet loss, {kind} forgeries",
                    [figure(one.loss if one else None) for one in triplets],
                ),
                row(
                    f"Triplets that cost, {kind}",
                    [rate(one.active if one else None) for one in triplets],
                ),
            ]
    margin = results[0].distances.margin
    return Table(
        "Distances and triplet loss",
        _head(results),
        tuple(rows),
        (
            "Euclidean distances of unit vectors, in [0, 2]: global embeddings alone, no error "
            f"rates. Margin of the triplet loss {margin:g}; all triplets of each draw.",
        ),
    )


def identification_table(results: Results) -> Table | None:
    """Searches among all galleries; None where there were none."""
    found = [one.identification for one in results if one.identification is not None]
    if not found:
        return None
    rows = [
        row("Signers enrolled", [Cell(str(one.signers)) for one in found]),
        row("Mated searches", [Cell(f"{one.searches:,}") for one in found]),
    ]
    for place, rank in enumerate(found[0].cmc):
        cells = [rate(one.cmc[place].identified if place < len(one.cmc) else None) for one in found]
        rows.append(row(f"Signer among the first {rank.rank}", cells))
    for place, point in enumerate(found[0].open_set):
        cells = [
            _starred(rate(one.open_set[place].fnir), one.open_set[place].supported) for one in found
        ]
        rows.append(row(f"FNIR at FPIR {100.0 * point.aim:g} %", cells))
    frozen = [one.frozen for one in found]
    if any(frozen):
        fpir = [rate(point.fpir if point else None) for point in frozen]
        fnir = [rate(point.fnir if point else None) for point in frozen]
        rows += [row("FPIR, frozen accept point", fpir), row("FNIR, frozen accept point", fnir)]
    head = ("", *(f"R = {one.references}" for one in found))
    notes = ["FPIR: strangers who bring up somebody. FNIR: enrolled signers who are missed."]
    if not all(point.supported for one in found for point in one.open_set):
        notes.append("* Fewer than 3 / FPIR distinct searches: the point rests on next to none.")
    return Table("Identification among all galleries", head, tuple(rows), tuple(notes), rates=True)


def acquisition_table(results: Results) -> Table:
    """Images and signers that could not serve."""
    rows = [
        _plain(results, "Images submitted", lambda one: f"{one.acquisition.images:,}"),
        _plain(results, "Images that could not serve", lambda one: f"{one.acquisition.failed:,}"),
        _rates(results, "FTA", lambda one: one.acquisition.fta),
        _rates(results, "FTA, genuine signatures", lambda one: one.acquisition.genuine_fta),
        _rates(results, "FTA, skilled forgeries", lambda one: one.acquisition.forged_fta),
        _rates(results, "FTE", lambda one: one.acquisition.fte),
    ]
    note = "Images that failed are left out of every other rate."
    return Table(
        "Failures to acquire and to enroll", _head(results), tuple(rows), (note,), rates=True
    )


def signer_table(result: ReferencesResult) -> Table:
    """One row a signer, the hardest first."""
    ordered = sorted(result.per_signer, key=lambda one: (-(one.eer or 0.0), one.signer))
    notes = ["The own EER is an oracle: at a threshold of the signer's own, chosen afterwards."]
    if result.skipped:
        notes.append(f"With too few genuine signatures: {', '.join(result.skipped)}.")
    return Table(
        f"Signers with {count(result.references, 'reference')}, the hardest first",
        (
            "Signer",
            "Genuine comparisons",
            "Own EER (oracle)",
            "FNMR at the common EER point",
            "FMR there",
            "Skilled FMR there",
            "Not accepted when frozen",
            "Skilled accepted when frozen",
        ),
        tuple(_signer_row(one) for one in ordered),
        tuple(notes),
        rates=True,
        folded=True,
    )


def _signer_row(one: SignerResult) -> Row:
    rates = (one.eer, one.fnmr, one.fmr, one.skilled_fmr, one.frozen_fnmr, one.frozen_skilled_fmr)
    return row(one.signer, [Cell(f"{one.genuine:,}"), *map(share, rates)])


_SHARES: dict[str, Callable[[FrozenResult], DecisionShares | None]] = {
    "Genuine signatures": lambda own: own.mated,
    "Random forgeries": lambda own: own.random,
    "Skilled forgeries": lambda own: own.skilled,
}


def _head(results: Results) -> tuple[str, ...]:
    return ("", *(f"R = {one.references}" for one in results))


def _plain(results: Results, name: str, read: Callable[[ReferencesResult], str]) -> Row:
    return row(name, [Cell(read(one)) for one in results])


def _rates(results: Results, name: str, read: Callable[[ReferencesResult], Rate | None]) -> Row:
    return row(name, [rate(read(one)) for one in results])


def _ratio(results: Results, name: str, read: Callable[[FrozenResult], Rate]) -> Row:
    return row(name, [figure(read(one.frozen) if one.frozen else None) for one in results])


def _fixed_rows(results: Results) -> Iterator[Row]:
    for place, first in enumerate(results[0].binary.fixed):
        points = [one.binary.fixed[place] for one in results]
        aim = f"FMR {100.0 * first.aim:g} %"
        yield row(f"FNMR at {aim}", [_fixed(point, point.fnmr) for point in points])
        if any(point.skilled_fmr for point in points):
            cells = [_fixed(point, point.skilled_fmr) for point in points]
            yield row(f"Skilled FMR at {aim}", cells)


def _fixed(point: FixedFmr, value: Rate | None) -> Cell:
    return _starred(rate(value), point.supported)


def _starred(cell: Cell, supported: bool) -> Cell:
    return cell if supported or cell.text == NOTHING else Cell(f"{cell.text} *", cell.detail)


def _discrimination_rows(
    results: Results, kind: str, read: Callable[[ReferencesResult], Discrimination | None]
) -> Iterator[Row]:
    found = [read(one) for one in results]
    if not any(found):
        return
    yield row(f"AUC, {kind}", [figure(one.auc if one else None, 4) for one in found])
    costs = next(one for one in found if one is not None).costs
    for place, cost in enumerate(costs):
        cells = [figure(one.costs[place].minimum if one else None) for one in found]
        yield row(f"minDCF, {kind}, {_cost_words(cost.cost)}", cells)


def _cost_words(cost: DetectionCost) -> str:
    prior = f"{100.0 * cost.prior:g} % genuine"
    if cost.miss == cost.false_alarm:
        return prior
    return f"{prior}, costs {cost.miss:g} and {cost.false_alarm:g}"


def _notes(results: Results) -> Iterator[str]:
    yield (
        "In brackets 95 % intervals that resample signers. EER, AUC and minDCF choose their "
        "threshold afterwards, FNMR at a given FMR likewise; the decisions further down do not."
    )
    if not all(point.supported for one in results for point in one.binary.fixed):
        yield "* Fewer than 3 / FMR distinct random forgeries: the point rests on next to none."
    for one in results:
        if one.skipped:
            yield (
                f"R = {one.references}: {count(len(one.skipped), 'signer')} with too few genuine "
                "signatures left out."
            )


def _point(score: float | None) -> Cell:
    return Cell("one a fold" if score is None else f"{score:.3f}")


def _decision_rows(points: Sequence[FrozenResult]) -> Iterator[Row]:
    for kind in ("skilled", "random"):
        found: list[DecisionMeasures | None] = [getattr(own.at_accept, kind) for own in points]
        known = [one for one in found if one is not None]
        if not known:
            continue
        for name, field in (
            ("Accuracy", "accuracy"),
            ("Balanced accuracy", "balanced_accuracy"),
            ("Precision", "precision"),
            ("Recall", "recall"),
            ("F1", "f1"),
        ):
            cells = [rate(getattr(one, field) if one else None) for one in found]
            yield row(f"{name}, {kind} forgeries", cells)
        for place, cost in enumerate(known[0].costs):
            cells = [figure(one.costs[place].actual if one else None) for one in found]
            yield row(f"DCF, {kind} forgeries, {_cost_words(cost.cost)}", cells)
