"""The condition Verified: are the answers of the last change right?

There is one only where ``spec.verification`` demands something of them.
"""

from typing import TypeGuard

from slipway_operator.core.condition import Condition, sentence
from slipway_operator.core.diagnose import WRONG, Fault
from slipway_operator.core.plan import Plan
from slipway_operator.core.standing import REFUSALS, Standing

TYPE = "Verified"


def verified(plan: Plan, standing: Standing) -> Condition:
    """Pass on what was found; what no pod has been able to say is not known."""
    for fault in (plan.fault, plan.serving_fault):
        if _concerns(fault):
            return Condition(TYPE, "False", fault.reason, sentence(fault))
    if standing.trusted:
        return Condition(TYPE, "True", "Passed", standing.message)
    return Condition(TYPE, "Unknown", "Pending", standing.message)


def _concerns(fault: Fault | None) -> TypeGuard[Fault]:
    return fault is not None and fault.reason in {*REFUSALS, WRONG}
