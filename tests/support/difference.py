"""What `kubectl diff` shows for good."""

import time
from collections.abc import Callable

from slipway_dev.errors import Failure


def shows_none(kubectl: Callable[..., str], *target: str, stdin: str | None = None) -> None:
    """Hold `kubectl diff` to showing no difference.

    It reads the object twice, and shows as a difference what the operator wrote into status
    in between. So it is asked again, for as long as a status takes to settle, and until it has
    shown none three times in a row.

    Raises:
        Failure: there is a difference that stays.
    """
    end, quiet = time.monotonic() + 30, 0
    while quiet < 3:
        try:
            kubectl("diff", *target, stdin=stdin)
            quiet += 1
        except Failure:
            if time.monotonic() > end:
                raise
            quiet = 0
        time.sleep(0.5)
