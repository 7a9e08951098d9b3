"""Where the process begins: it can be told to stop before it has imported what it is made of."""

import signal
import sys
from types import FrameType


def main() -> None:
    """Run the operator until it is told to stop.

    The first process of a container gets no signal that it did not ask for, and the imports take a
    second.
    """
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    from slipway_operator.operate import run  # noqa: PLC0415 - see above

    run()


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number if number == signal.SIGINT else 0)


if __name__ == "__main__":
    main()
