"""What a demonstration shows: chosen by a rule that knows nothing of the outcomes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from sigvault.datasets import Dataset, Specimen
from sigvault.domain.errors import DatasetError, UnreadableFile
from sigvault.domain.identifiers import SignerId

SIGNERS = 10
"""How many signers are enrolled."""

REFERENCES = 5
"""How many references each of them gets: the first ones."""

RULE = (
    "The case shown is that of the first of them; probes are the first signatures that were not "
    "enrolled. The choice doesn't depend on any outcome."
)
"""How signers and signatures are chosen, for the reader of the report."""


@dataclass(frozen=True)
class Question:
    """A signature and what is known of it.

    Attributes:
        title: what the case is called.
        note: what is known of it from the data set.
        specimen: the signature.
    """

    title: str
    note: str
    specimen: Specimen


@dataclass(frozen=True)
class DemoPlan:
    """What is enrolled and what is asked.

    Attributes:
        references: what is enrolled, signer by signer.
        shown: the signer that the questions are about.
        questions: signatures claimed to be that signer's.
        unclaimed: a signature to be identified; None where no other signer has one left.
        unseen: how many of the enrolled signers the model was certainly not trained on.
    """

    references: tuple[Specimen, ...]
    shown: SignerId
    questions: tuple[Question, ...]
    unclaimed: Question | None
    unseen: int

    @property
    def signers(self) -> tuple[SignerId, ...]:
        """The enrolled signers, in order."""
        return tuple(dict.fromkeys(specimen.signer for specimen in self.references))


def plan_demo(dataset: Dataset, training_digests: frozenset[str]) -> DemoPlan:
    """Choose ten signers, whom the model wasn't trained on if possible, and five questions.

    Args:
        dataset: the signatures.
        training_digests: SHA-256 of every picture that the model was trained on.

    Raises:
        DatasetError: If fewer than two signers have enough genuine signatures.
        UnreadableFile: If a picture can't be read.
    """
    fitting = [
        signer for signer in dataset.signers if len(dataset.of(signer, genuine=True)) > REFERENCES
    ]
    if len(fitting) < 2:
        raise DatasetError(
            f"{dataset.root} has {len(fitting)} signers with more than {REFERENCES} genuine "
            "signatures, but a demonstration takes two or more"
        )
    unseen = [signer for signer in fitting if not _was_seen(dataset, signer, training_digests)]
    chosen = [*unseen, *(signer for signer in fitting if signer not in set(unseen))][:SIGNERS]
    shown, *others = chosen
    return DemoPlan(
        references=tuple(
            specimen
            for signer in chosen
            for specimen in dataset.of(signer, genuine=True)[:REFERENCES]
        ),
        shown=shown,
        questions=tuple(_questions(dataset, shown, others)),
        unclaimed=_unclaimed(dataset, others),
        unseen=min(len(unseen), SIGNERS),
    )


def _was_seen(dataset: Dataset, signer: SignerId, training_digests: frozenset[str]) -> bool:
    """Whether the model was trained on any of the signer's signatures or forgeries of them."""
    if not training_digests:
        return False
    specimens = dataset.of(signer, genuine=True) + dataset.of(signer, genuine=False)
    return any(_digest(specimen) in training_digests for specimen in specimens)


def _digest(specimen: Specimen) -> str:
    try:
        with specimen.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableFile(
            f"{specimen.path} can't be read ({error.strerror or error}): check its permissions"
        ) from error


def _questions(dataset: Dataset, shown: SignerId, others: list[SignerId]) -> Iterable[Question]:
    """The four cases, as far as the data set has them."""
    genuine = dataset.of(shown, genuine=True)[REFERENCES]
    yield Question("Genuine signature", f"A genuine signature of signer {shown}.", genuine)
    forged = dataset.of(shown, genuine=False)
    if forged:
        note = f"A skilled forgery of signer {shown}'s signature."
        yield Question("Skilled forgery", note, forged[0])
    other = others[0]
    yield Question(
        "Another signer's signature",
        f"A genuine signature of signer {other}, claimed to be signer {shown}'s.",
        dataset.of(other, genuine=True)[REFERENCES],
    )
    forger = next((signer for signer in others if dataset.of(signer, genuine=False)), None)
    if forger is not None:
        yield Question(
            "Forgery of another signer's signature",
            f"A skilled forgery of signer {forger}'s signature, claimed to be signer {shown}'s.",
            dataset.of(forger, genuine=False)[0],
        )


def _unclaimed(dataset: Dataset, others: list[SignerId]) -> Question | None:
    """A genuine signature of the second of the others, or the first where there is but one."""
    signer = others[min(1, len(others) - 1)]
    left = dataset.of(signer, genuine=True)[REFERENCES:]
    specimen = left[0] if len(others) > 1 else next(iter(left[1:]), None)
    if specimen is None:
        return None
    note = f"A genuine signature of signer {signer}, handed in without a claim."
    return Question("Identification", note, specimen)
