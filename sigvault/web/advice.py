"""Every typed error as a page: what it is called, its status, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from sigvault.domain import errors
from sigvault.domain.errors import SigvaultError


@dataclass(frozen=True)
class Advice:
    """What the page of an error says besides the error's own message.

    Attributes:
        status: HTTP status.
        title: what happened, in a few words.
        todo: what to do next, in a sentence.
        link: where to go, and the words for it; empty for nowhere.
    """

    status: int
    title: str
    todo: str
    link: tuple[str, str] = ("", "")


_SIGNERS = ("/signers", "Look for the signer")
_QUEUE = ("/queue", "Back to the queue")
_AUDIT = ("/audit", "Look at the audit log")
_ANOTHER_PICTURE = "Choose another file: a scan or photograph of one signature."
_OPERATOR = "Only somebody with access to the server can mend this: show them this page."

ADVICE: dict[type[SigvaultError], Advice] = {
    SigvaultError: Advice(500, "That did not work", _OPERATOR),
    errors.ConfigurationError: Advice(
        400, "That can't be used", "Correct what the message names, and try again."
    ),
    errors.DatasetError: Advice(
        400, "These signatures can't be used", "Check the folder that the message names."
    ),
    errors.ImageError: Advice(400, "The picture can't be used", _ANOTHER_PICTURE),
    errors.UnreadableFile: Advice(400, "The file can't be opened", _ANOTHER_PICTURE),
    errors.UnsupportedImage: Advice(
        415,
        "The file is no picture that can be read",
        "Save it as PNG, JPEG or TIFF, and choose it again.",
    ),
    errors.ImageTooLarge: Advice(
        413,
        "The picture is too large",
        "Cut out the signature, or scan it at 300 dots per inch, and choose it again.",
    ),
    errors.AcquisitionError: Advice(422, "The picture can't serve", _ANOTHER_PICTURE),
    errors.FailureToAcquire: Advice(
        422,
        "The signature can't be compared",
        "Nothing was decided. Scan it again so that all of it is there and nothing else is.",
    ),
    errors.FailureToEnroll: Advice(
        422,
        "The signature can't serve as a reference",
        "Scan it again so that all of it is there and nothing else is.",
    ),
    errors.ModelError: Advice(503, "The model can't be used", _OPERATOR),
    errors.CheckpointMismatch: Advice(503, "The model's files don't fit", _OPERATOR),
    errors.UnknownModel: Advice(503, "The model is not there", _OPERATOR),
    errors.DemonstrationModel: Advice(503, "The model may not decide about anybody", _OPERATOR),
    errors.WeightsUnavailable: Advice(503, "The model's weights can't be had", _OPERATOR),
    errors.TrainingDiverged: Advice(500, "The training went wrong", _OPERATOR),
    errors.VaultError: Advice(503, "Something is wrong with the vault", _OPERATOR),
    errors.VaultNotFound: Advice(503, "There is no vault", _OPERATOR),
    errors.VaultExists: Advice(409, "Something lies there already", _OPERATOR),
    errors.VaultDamaged: Advice(
        500,
        "The vault contradicts itself",
        "Stop working with it. An auditor can check it; then restore it from a backup.",
        _AUDIT,
    ),
    errors.VaultTooNew: Advice(503, "The vault is of a later version", _OPERATOR),
    errors.FolderMismatch: Advice(503, "The pictures are another vault's", _OPERATOR),
    errors.BackupNotFound: Advice(404, "There is no backup there", _OPERATOR),
    errors.BackupDamaged: Advice(503, "The backup is not whole", _OPERATOR),
    errors.HistoryDiffers: Advice(409, "The log is another vault's", _OPERATOR),
    errors.ErasuresUnknown: Advice(409, "Nobody says who was erased since", _OPERATOR),
    errors.StorageFailed: Advice(
        503, "The vault can't be read or written", "Try once more in a minute. " + _OPERATOR
    ),
    errors.VaultBusy: Advice(
        409, "Somebody else is at it", "Wait until that is done, and try again."
    ),
    errors.UnknownGeneration: Advice(
        404,
        "There is no such generation",
        "It may have been removed: look at the list.",
        ("/generations", "All generations"),
    ),
    errors.GenerationUnfit: Advice(
        409,
        "The generation may not decide",
        "The reasons are above; the active generation goes on deciding.",
        ("/generations", "All generations"),
    ),
    errors.GenerationMismatch: Advice(
        409, "Two generations would mix", "Try again. If it comes back: " + _OPERATOR
    ),
    errors.UnknownSigner: Advice(
        404, "There is no such signer", "Check the identifier, or enroll the signer.", _SIGNERS
    ),
    errors.UnknownReference: Advice(
        404, "There is no such reference", "It, or its signer, may have been erased.", _SIGNERS
    ),
    errors.LastReference: Advice(
        409,
        "It is the signer's only reference",
        "Enroll another one first, or erase the signer.",
        _SIGNERS,
    ),
    errors.UnknownEvent: Advice(
        404,
        "There is no such case",
        "Its signer may have been erased, and its evidence with the signer.",
        _QUEUE,
    ),
    errors.ProbeNotKept: Advice(
        404,
        "The picture is not kept",
        "The decision and its evidence are; to compare by eye, verify the signature again.",
        _QUEUE,
    ),
    errors.AlreadyReviewed: Advice(
        409, "There is a verdict already", "Go on with the next case.", _QUEUE
    ),
    errors.KeyRefused: Advice(
        401, "The key opens nothing", "Ask an administrator for a new one.", ("/sign-in", "Sign in")
    ),
    errors.UnknownKey: Advice(404, "There is no such key", _OPERATOR),
    errors.RequestDiffers: Advice(
        409, "The request differs from an earlier one", "Send it again from the form."
    ),
    errors.EmptyGallery: Advice(
        409,
        "There is nothing to compare with",
        "Enroll genuine signatures first.",
        ("/enroll", "Enroll"),
    ),
    errors.DuplicateAcrossSigners: Advice(
        409, "Another signer has this picture", "Find out whose signature it is.", _SIGNERS
    ),
    errors.NotCalibrated: Advice(
        409,
        "Nothing can be decided yet",
        "An administrator has to calibrate the vault for so many references.",
        ("/thresholds", "Thresholds"),
    ),
    errors.UnsupportedAim: Advice(
        400,
        "The calibration data can't support that",
        "Aim at a higher rate, or calibrate with more signatures.",
        ("/thresholds", "Thresholds"),
    ),
    errors.IndexFailed: Advice(
        503,
        "The search doesn't work at the moment",
        "Verifying a claimed signer still works. " + _OPERATOR,
        ("/verify", "Verify"),
    ),
}
"""By class; one that isn't here is answered like the class that it derives from."""


def advise(error: SigvaultError) -> Advice:
    """What to say about an error."""
    return next(ADVICE[kind] for kind in type(error).__mro__ if kind in ADVICE)
