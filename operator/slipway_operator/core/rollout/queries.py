"""What a canary asks of Prometheus, and what follows from the answers.

=================  ============  ===================
answer             in the step   when its time is over
=================  ============  ===================
within its bounds  goes on       next step
beyond one         stopped       stopped
no number          goes on       waits for one
=================  ============  ===================

There is no doubt to be allowed for: over which time it is taken, and of how many requests, stands
in the query.
"""

from collections.abc import Mapping

from slipway_operator.core import names
from slipway_operator.core.observed import Observed
from slipway_operator.core.reading import Reading
from slipway_operator.core.refusal import Refusal
from slipway_operator.core.rollout.gates import FAILED
from slipway_operator.core.rollout.good import last_good
from slipway_operator.core.spec import Spec
from slipway_operator.core.trial import Canary, Query

UNASKED = Reading(None, "it was not asked yet")


def questions(spec: Spec, seen: Observed, owner: tuple[str, str]) -> dict[str, str]:
    """Write out the queries of a canary that has begun, by name; ``owner``: namespace and name."""
    canary, progress, stable = spec.rollout.canary, seen.progress(spec.fingerprint), last_good(seen)
    if canary is None or progress is None or progress.passed is None or stable is None:
        return {}
    namespace, name = owner
    known = {
        "$(namespace)": namespace,
        "$(name)": name,
        "$(revision)": names.revision(name, spec.fingerprint),
        "$(stable)": names.revision(name, stable),
    }
    return {query.name: _filled(query.text, known) for query in canary.queries}


def _filled(text: str, known: Mapping[str, str]) -> str:
    for placeholder, value in known.items():
        text = text.replace(placeholder, value)
    return text


def judge(canary: Canary, readings: Mapping[str, Reading]) -> Refusal | None:
    """Find an answer that is beyond its bounds."""
    return next((why for query in canary.queries if (why := _beyond(query, readings))), None)


def _beyond(query: Query, readings: Mapping[str, Reading]) -> Refusal | None:
    value = readings.get(query.name, UNASKED).value
    if value is None:
        return None
    if query.high is not None and value > query.high:
        bound = f"at most {query.high}"
    elif query.low is not None and value < query.low:
        bound = f"at least {query.low}"
    else:
        return None
    message = f"query {query.name} gives {value:.6g}, where {bound} is asked for"
    hint = "Ask Prometheus the same, see spec.rollout.canary.queries; then change the spec."
    return Refusal(FAILED, message, hint)


def unread(canary: Canary, readings: Mapping[str, Reading]) -> str:
    """Say which query has no number to be judged by, and why; nothing when all have one."""
    asked = ((query.name, readings.get(query.name, UNASKED)) for query in canary.queries)
    missing = (f"query {name}: {r.problem}" for name, r in asked if r.value is None)
    return next(missing, "")
