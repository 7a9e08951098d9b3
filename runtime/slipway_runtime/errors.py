"""What can go wrong, named by who must act: the caller, or whoever brought the model."""

from enum import Enum, StrEnum


class Kind(Enum):
    """Why a request got no prediction; each transport has its own code for each kind."""

    INVALID = "invalid"
    NOT_FOUND = "not found"
    NOT_READY = "not ready"
    OVERLOADED = "overloaded"
    EXPIRED = "expired"
    INTERNAL = "internal"


class RequestError(Exception):
    """A request that gets no prediction, and what its caller is told.

    ``retry_after`` is the number of seconds after which another try has a chance; None when
    nothing is known about it.
    """

    def __init__(self, kind: Kind, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retry_after = retry_after


class InvalidRequestError(RequestError):
    """The caller must change the request; trying it again can't help."""

    def __init__(self, message: str) -> None:
        super().__init__(Kind.INVALID, message)


class Reason(StrEnum):
    """The reasons of the contract with the operator (docs/contract.md)."""

    FETCHED = "Fetched"
    SOURCE_NOT_FOUND = "SourceNotFound"
    CONFIG_MAP_MISSING = "ConfigMapMissing"
    SOURCE_FORBIDDEN = "SourceForbidden"
    SOURCE_UNAVAILABLE = "SourceUnavailable"
    DIGEST_MISMATCH = "DigestMismatch"
    DISK_FULL = "DiskFull"
    UNSUPPORTED_URI = "UnsupportedUri"
    MODEL_INVALID = "ModelInvalid"
    MODEL_TOO_NEW = "ModelTooNew"
    EXTERNAL_DATA_MISSING = "ExternalDataMissing"
    MODEL_UNSUPPORTED = "ModelUnsupported"
    SIGNATURE_MISMATCH = "SignatureMismatch"
    PROVIDER_UNAVAILABLE = "ProviderUnavailable"
    SETTINGS_INVALID = "SettingsInvalid"
    DATASET_MISSING = "DatasetMissing"
    DATASET_INVALID = "DatasetInvalid"
    VERIFICATION_FAILED = "VerificationFailed"
    VERIFICATION_INCONCLUSIVE = "VerificationInconclusive"
    ANSWERS_WRONG = "AnswersWrong"


class Fault(Exception):  # noqa: N818 - the word for it in all of Slipway
    """Why there is no model to serve: the reason is for machines, the rest for people."""

    def __init__(self, reason: Reason, message: str, hint: str) -> None:
        super().__init__(f"{reason}: {message} {hint}")
        self.reason = reason
        self.message = message
        self.hint = hint


MOST_SHOWN = 100


def shown(value: object) -> str:
    """Quote what came in a message; the beginning of it, since it may be megabytes."""
    text = repr(value[:MOST_SHOWN] if isinstance(value, str) else value)
    return text if len(text) <= 2 * MOST_SHOWN else text[:MOST_SHOWN] + "…"
