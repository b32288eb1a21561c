"""Every error that sigvault raises on purpose.

::

    SigvaultError
    ├── ConfigurationError        settings or a configuration file that can't be used
    ├── DatasetError              a folder of signatures that fits no layout or is too small
    ├── ImageError                bytes that are no usable picture
    │   ├── UnreadableFile        the file can't be opened (missing, a folder, no permission)
    │   ├── UnsupportedImage      empty, truncated, renamed or of another format
    │   └── ImageTooLarge         more bytes or pixels than the limits allow
    ├── AcquisitionError          a picture that can't serve as a signature
    │   ├── FailureToAcquire      of a probe
    │   └── FailureToEnroll       of a reference
    ├── ModelError
    │   ├── CheckpointMismatch    a checkpoint that doesn't fit; says which part
    │   ├── UnknownModel          no such model
    │   ├── DemonstrationModel    a model that was fed with leaks on purpose, and may not serve
    │   ├── WeightsUnavailable    pre-trained weights that can't be had; says what to do offline
    │   └── TrainingDiverged      a loss that is not finite; names the batch
    ├── VaultError
    │   ├── VaultNotFound         nothing lies at the vault's path
    │   ├── VaultExists           something lies there already
    │   ├── VaultDamaged          the vault contradicts itself
    │   ├── VaultTooNew           made by a later version of sigvault
    │   ├── FolderMismatch        the images in the folder are another vault's
    │   ├── BackupNotFound        nothing that is a backup lies at the path
    │   ├── BackupDamaged         a backup that is not whole, or not what was made
    │   ├── HistoryDiffers        a log that doesn't go on from where a backup ends
    │   ├── ErasuresUnknown       a backup whose later erasures nobody has told or waived
    │   ├── StorageFailed         disk full, database unreachable, no permission
    │   ├── VaultBusy             another process does what only one can do at a time
    │   ├── UnknownGeneration     no such generation, or dropped
    │   ├── GenerationUnfit       a generation that may not decide, and why
    │   └── GenerationMismatch    vectors, thresholds or index of two generations would mix
    ├── UnknownSigner             no such signer, or erased
    ├── UnknownReference          no such reference, or erased
    ├── LastReference             the only reference of a signer, who would be left without any
    ├── UnknownEvent              no such event in the audit log, or nothing left of it to replay
    ├── ProbeNotKept              the bytes of a verification's probe are not there
    ├── AlreadyReviewed           a case that this person, or people, decided before
    ├── KeyRefused                a secret that opens nothing: wrong, expired or revoked
    ├── UnknownKey                no such key
    ├── RequestDiffers            another request under a name that one was answered under
    ├── EmptyGallery              a signer without references in the active generation
    ├── DuplicateAcrossSigners    the same image under another signer
    ├── NotCalibrated             no threshold for the active generation
    ├── UnsupportedAim            an error rate that the calibration data can't support
    └── IndexFailed               the vector index can't be built, read or searched

Each message says what happened and what to do next.
"""

from __future__ import annotations


class SigvaultError(Exception):
    """The root: whatever sigvault raises on purpose."""


class ConfigurationError(SigvaultError):
    """Settings or a configuration file can't be used."""


class DatasetError(SigvaultError):
    """A folder of signatures fits no layout, or holds too little for what was asked."""


class ImageError(SigvaultError):
    """The bytes are no usable picture."""


class UnreadableFile(ImageError):
    """The file can't be opened: missing, a folder, or not permitted."""


class UnsupportedImage(ImageError):
    """The bytes are empty, truncated, or of a format that is not accepted."""


class ImageTooLarge(ImageError):
    """The picture has more bytes or pixels than the limits allow."""


class AcquisitionError(SigvaultError):
    """A picture that was read but can't serve as a signature (ISO/IEC 19795-1)."""


class FailureToAcquire(AcquisitionError):
    """A probe can't serve."""


class FailureToEnroll(AcquisitionError):
    """A reference can't serve."""


class ModelError(SigvaultError):
    """A model can't be loaded, found or trained."""


class CheckpointMismatch(ModelError):
    """A checkpoint doesn't fit; the message says which part."""


class UnknownModel(ModelError):
    """There is no such model."""


class DemonstrationModel(ModelError):
    """The model's preprocessing keeps leaks on purpose, so it may not decide about anybody."""


class WeightsUnavailable(ModelError):
    """Pre-trained weights can't be had; the message names the offline alternative."""


class TrainingDiverged(ModelError):
    """The loss is not finite; the message names the batch."""


class VaultError(SigvaultError):
    """Something is wrong with the vault as a whole."""


class VaultNotFound(VaultError):
    """Nothing that is a vault lies at the path."""


class VaultExists(VaultError):
    """Something lies at the path already."""


class VaultDamaged(VaultError):
    """The vault contradicts itself: a missing image, a broken chain, a wrong digest."""


class VaultTooNew(VaultError):
    """The vault was written by a later version of sigvault."""


class FolderMismatch(VaultError):
    """The database and the folder of images belong to two vaults."""


class BackupNotFound(VaultError):
    """Nothing that is a backup lies at the path."""


class BackupDamaged(VaultError):
    """A backup is not whole, or not the one that was made; the message names the file."""


class HistoryDiffers(VaultError):
    """A log, or what was written of one, doesn't go on from where the backup ends."""


class ErasuresUnknown(VaultError):
    """Who was erased after a backup was made isn't known, and nobody has accepted that."""


class StorageFailed(VaultError):
    """The database or the image folder can't be read or written."""


class VaultBusy(VaultError):
    """Another process does what only one can do at a time; the message names it."""


class UnknownGeneration(VaultError):
    """There is no such generation, or it was dropped."""


class GenerationUnfit(VaultError):
    """A generation may not decide: incomplete, without thresholds, or worse than the active one.

    Attributes:
        reasons: each in words.
    """

    def __init__(self, message: str, reasons: tuple[str, ...] = ()) -> None:
        """Take the message, and the reasons one by one."""
        super().__init__(message)
        self.reasons = reasons


class GenerationMismatch(VaultError):
    """Vectors, thresholds or an index of two generations would have been mixed."""


class UnknownSigner(SigvaultError):
    """There is no such signer, or the signer was erased."""


class UnknownReference(SigvaultError):
    """There is no such reference, or it or its signer was erased."""


class LastReference(SigvaultError):
    """The reference is the signer's only one, and goes with the signer alone."""


class UnknownEvent(SigvaultError):
    """The audit log has no such event, or what was asked of it is erased."""


class ProbeNotKept(SigvaultError):
    """The bytes of a verification's probe are not there: never kept, or removed since."""


class AlreadyReviewed(SigvaultError):
    """The same person gave a verdict before, or people have decided the case."""


class KeyRefused(SigvaultError):
    """The secret opens nothing: wrong, expired or revoked."""


class UnknownKey(SigvaultError):
    """There is no such key."""


class RequestDiffers(SigvaultError):
    """Another request came under the name that an earlier one was answered under."""


class EmptyGallery(SigvaultError):
    """The signer has no references in the active generation."""


class DuplicateAcrossSigners(SigvaultError):
    """The same image is enrolled under another signer."""


class NotCalibrated(SigvaultError):
    """The active generation has no threshold, so nothing can be decided."""


class UnsupportedAim(SigvaultError):
    """The calibration data can't support the error rate aimed at."""


class IndexFailed(SigvaultError):
    """The vector index can't be built, read or searched."""
