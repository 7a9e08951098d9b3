"""Which revision serves, which one is on its way, and which of them have pods.

``auto`` chooses a strategy where that is left to it. ``good`` says what can be relied on, and
``advance`` is the state machine that moves on from there: by way of a ``trial``, in ``shadow`` and
``canary``, judged by ``gates`` and ``queries``; or bit by bit, in ``rolling``. ``moves`` says which
pods take whose traffic meanwhile, and ``crew`` which there are.
"""

from slipway_operator.core.rollout.advance import advance, betrayed
from slipway_operator.core.rollout.auto import Choice, acting, choose
from slipway_operator.core.rollout.canary import Share
from slipway_operator.core.rollout.course import SETTLED, Course, Phase
from slipway_operator.core.rollout.gates import FAILED, SHADOWED
from slipway_operator.core.rollout.good import (
    HISTORY,
    Role,
    Traffic,
    complete,
    last_good,
    proven,
    running,
    usable,
    wanted,
)
from slipway_operator.core.rollout.moves import Move, moves
from slipway_operator.core.rollout.queries import questions
from slipway_operator.core.rollout.shadow import Mirror
from slipway_operator.core.rollout.trial import Trial, needed

__all__ = [
    "FAILED",
    "HISTORY",
    "SETTLED",
    "SHADOWED",
    "Choice",
    "Course",
    "Mirror",
    "Move",
    "Phase",
    "Role",
    "Share",
    "Traffic",
    "Trial",
    "acting",
    "advance",
    "betrayed",
    "choose",
    "complete",
    "last_good",
    "moves",
    "needed",
    "proven",
    "questions",
    "running",
    "usable",
    "wanted",
]
