"""The time that a caller gives a call, as gRPC writes it."""

from slipway_runtime.errors import InvalidRequestError

_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


def seconds(text: bytes) -> float:
    """Read the header ``grpc-timeout``: at most eight digits and a unit.

    Raises:
        InvalidRequestError: If it is something else.
    """
    digits, unit = text[:-1], _UNITS.get(text[-1:])
    if unit is None or not digits.isdigit() or len(digits) > 8:
        raise InvalidRequestError(
            f"the header grpc-timeout is {text.decode('latin-1')!r}, expected up to eight digits "
            "and one of H, M, S, m, u, n"
        )
    return int(digits) * unit
