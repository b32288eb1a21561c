"""Signatures side by side: all at one scale, each with the addresses of its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sigvault.domain.comparison import ReferenceScore
from sigvault.domain.errors import ImageError, ProbeNotKept, UnknownReference, VaultDamaged
from sigvault.domain.identifiers import ReferenceId, SignerId
from sigvault.domain.reviewing import ReviewCase
from sigvault.web.pictures import DrawnPicture, Tone, data_uri
from sigvault.web.rendering import url
from sigvault.web.visits import Desk, Visit

_AT_ONCE = 4


@dataclass(frozen=True)
class Panel:
    """One signature on the page.

    Attributes:
        label: what it is called there.
        scan: the address of the scan's part with the ink; empty where there is no picture.
        ink: the address of the ink.
        toned: the address of the ink in the colour of its side, for laying one over the other.
        width: pixels of the original that the scan shows across.
        height: pixels of the original that it shows downwards.
        missing: why there is no picture; empty where there is one.
        reference: the reference's identifier; empty for a probe.
        score: the probe against this reference, where that is to be shown.
    """

    label: str
    scan: str = ""
    ink: str = ""
    toned: str = ""
    width: int = 0
    height: int = 0
    missing: str = ""
    reference: str = ""
    score: ReferenceScore | None = None


@dataclass(frozen=True)
class Sheet:
    """Signatures at one scale.

    Attributes:
        panels: the signatures; a probe, if there is one, first.
        width: of the frame that holds each of them, in pixels of the originals.
        height: likewise.
    """

    panels: tuple[Panel, ...]
    width: int
    height: int


def arrange(panels: Sequence[Panel]) -> Sheet:
    """Put signatures on one sheet, in frames of one size."""
    return Sheet(
        tuple(panels),
        max([panel.width for panel in panels], default=0) or 400,
        max([panel.height for panel in panels], default=0) or 160,
    )


def probe_panel(visit: Visit, case: ReviewCase) -> Panel:
    """A kept probe."""

    def address(**view: str) -> str:
        return url("/pictures/probe", event=case.event, **view)

    return _panel("Probe", lambda: draw_probe(visit.desk, case), address, Tone.PROBE)


def unkept_probe_panel(drawn: DrawnPicture) -> Panel:
    """A probe that was handed in just now, as part of the page."""
    return Panel(
        "Probe",
        data_uri(drawn.scan),
        data_uri(drawn.ink(Tone.INK)),
        data_uri(drawn.ink(Tone.PROBE)),
        drawn.width,
        drawn.height,
    )


def reference_panels(
    visit: Visit,
    signer: SignerId,
    references: Sequence[ReferenceId],
    scores: Sequence[ReferenceScore | None],
) -> list[Panel]:
    """A signer's references, drawn a few at a time.

    Args:
        visit: whose page it is.
        signer: whose references they are.
        references: in the order of the page.
        scores: what to show with each.
    """

    def make(number: int, reference: ReferenceId, score: ReferenceScore | None) -> Panel:
        def address(**view: str) -> str:
            outside = visit.someone.outside(signer)
            return url("/pictures/reference", signer=outside, reference=reference, **view)

        return _panel(
            f"Reference {number}",
            lambda: draw_reference(visit.desk, reference),
            address,
            Tone.REFERENCE,
            reference=reference,
            score=score,
        )

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        numbers = range(1, len(references) + 1)
        return list(threads.map(make, numbers, references, scores))


def draw_reference(desk: Desk, reference: ReferenceId) -> DrawnPicture:
    """A reference that is still there.

    Raises:
        UnknownReference: If it isn't.
        VaultDamaged: If its image is missing or changed.
    """
    data = desk.vault.reference_image(reference)
    return desk.pictures.get(f"reference {reference}", lambda: desk.vault.picture(data))


def draw_probe(desk: Desk, case: ReviewCase) -> DrawnPicture:
    """A probe that is still kept, its ink as it was compared.

    Raises:
        ProbeNotKept: If it isn't.
        VaultDamaged: If its image is missing or changed.
    """
    data, score = desk.vault.probe_image(case.event), case.evidence.score
    return desk.pictures.get(f"probe {case.event}", lambda: desk.vault.picture(data, score))


def _panel(
    label: str,
    draw: Callable[[], DrawnPicture],
    address: Callable[..., str],
    tone: Tone,
    *,
    reference: str = "",
    score: ReferenceScore | None = None,
) -> Panel:
    try:
        drawn = draw()
    except (ProbeNotKept, UnknownReference, VaultDamaged, ImageError) as error:
        return Panel(label, missing=str(error), reference=reference, score=score)
    return Panel(
        label,
        address(view="scan"),
        address(view="ink"),
        address(view="ink", tone=tone.value),
        drawn.width,
        drawn.height,
        reference=reference,
        score=score,
    )
