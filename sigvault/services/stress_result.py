"""How a frozen model bears disturbed probes: the figures and their table."""

from __future__ import annotations

from dataclasses import dataclass

from sigvault.domain.comparison import ErrorRates, Rate
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.domain.protocol import Seen
from sigvault.imaging.disturbances import Disturbance
from sigvault.services.unseen_signers import LEAST_SIGNERS


@dataclass(frozen=True)
class StressSample:
    """Whose signatures, and how many of them, are disturbed: each is embedded again each time.

    Attributes:
        signers: how many signers at most, chosen by chance; all if None.
        genuine: genuine signatures of each signer at most; those of the other signers are each
            signer's random forgeries.
        forged: skilled forgeries of each signer at most.
        seen: what to do with signers that the model was trained on.
    """

    signers: int | None = None
    genuine: int = 6
    forged: int = 6
    seen: Seen = Seen.LEAVE_OUT

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: If a number is too small.
        """
        if self.signers is not None and self.signers < LEAST_SIGNERS:
            raise ValueError(f"{self.signers} signers: at least {LEAST_SIGNERS}")
        if self.genuine < 1 or self.forged < 0:
            raise ValueError(
                f"{self.genuine} genuine and {self.forged} forged probes: at least 1 and 0"
            )


@dataclass(frozen=True)
class StressRow:
    """The figures under one disturbance; images that could not serve are in the FTA alone.

    Attributes:
        disturbance: what was done to the probes; None if nothing was.
        genuine: how many genuine signatures were submitted.
        forged: how many skilled forgeries were submitted.
        genuine_fta: the share of the genuine ones that could not serve.
        forged_fta: the share of the forgeries; None without any.
        at_accept: error rates at the model's own threshold; None if it has none for so few
            references, or no genuine signature could serve.
        random_eer: equal error rate against random forgeries; None if nothing could serve.
        skilled_eer: the same against skilled forgeries; None without such data too.
        skilled_change: the skilled equal error rate minus that of the same probes undisturbed,
            of those that could serve both ways; None where there is nothing to compare.
    """

    disturbance: Disturbance | None
    genuine: int
    forged: int
    genuine_fta: Rate
    forged_fta: Rate | None
    at_accept: ErrorRates | None
    random_eer: Rate | None
    skilled_eer: Rate | None
    skilled_change: Rate | None


@dataclass(frozen=True)
class StressResult:
    """How a frozen model bears disturbed probes.

    Attributes:
        data: what was measured.
        model: the model.
        preprocessing: what it was fed with.
        references: R, undisturbed, in each gallery.
        draws: how often references were drawn.
        seed: of every choice, of the disturbances and of the intervals.
        sample: the limits that probes and signers were chosen by.
        signers: who was claimed.
        skipped: signers with too few genuine signatures that can serve for R references and a
            probe.
        left_out: signers left out because the model was trained on an image of theirs.
        calibrated_on: signers whom the model's rule and thresholds were chosen on: the rates look
            better than they are, the differences between rows hardly.
        remarks: what must be said wherever these figures are shown.
        threshold: the model's own score to accept from; None if it has none.
        rows: undisturbed probes first.
    """

    data: str
    model: ModelId
    preprocessing: str
    references: int
    draws: int
    seed: int
    sample: StressSample
    signers: tuple[SignerId, ...]
    skipped: tuple[SignerId, ...]
    left_out: tuple[SignerId, ...]
    calibrated_on: tuple[SignerId, ...]
    remarks: tuple[str, ...]
    threshold: float | None
    rows: tuple[StressRow, ...]


def render_stress(result: StressResult) -> list[str]:
    """The result as lines of Markdown, rates in per cent with their 95 % intervals."""
    own = result.sample
    lines = [
        f"{len(result.signers)} signers, {result.references} undisturbed references, drawn "
        f"{result.draws} times; of each signer at most {own.genuine} genuine signatures and "
        f"{own.forged} skilled forgeries as probes, the others' genuine ones as random forgeries. "
        "FNMR, FMR and skilled FMR at the model's own threshold; the last column is the skilled "
        "EER minus that of the same probes undisturbed. Rates in per cent, in brackets 95 % "
        "intervals that resample signers.",
        "",
    ]
    if result.calibrated_on:
        lines = [
            f"**NOT INDEPENDENT: the model's fusion rule and thresholds were chosen on "
            f"{len(result.calibrated_on)} of these signers, so the rates look better than they "
            "are.**",
            "",
            *lines,
        ]
    for remark in result.remarks:
        lines += [f"**{remark}.**", ""]
    rows = [_HEADERS, ["---"] * len(_HEADERS), *(_cells(row) for row in result.rows)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows)]


_HEADERS = [
    "probes",
    "FTA genuine",
    "FTA forged",
    "FNMR",
    "FMR",
    "skilled FMR",
    "random EER",
    "skilled EER",
    "change",
]


def _cells(row: StressRow) -> list[str]:
    at = row.at_accept
    rates = (None,) * 3 if at is None else (at.fnmr, at.fmr, at.skilled_fmr)
    return [
        str(row.disturbance or "undisturbed"),
        _percent(row.genuine_fta),
        _percent(row.forged_fta),
        *(_percent(rate) for rate in rates),
        _percent(row.random_eer),
        _percent(row.skilled_eer),
        _percent(row.skilled_change, sign="+"),
    ]


def _percent(rate: Rate | None, sign: str = "") -> str:
    if rate is None:
        return "–"
    value, low, high = (format(100 * x, f"{sign}.1f") for x in (rate.value, rate.low, rate.high))
    return f"{value} ({low} to {high})"
