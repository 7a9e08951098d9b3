"""Whether the answers of the latest revision may be trusted with traffic, and why not.

What a verification found is read from status; until it stands there, it moves nothing.

==================  ==========================  ==========================  ========
verdict             contract with what serves   result                      final
==================  ==========================  ==========================  ========
any                 broken                      ContractBroken              yes
failed              any                         VerificationFailed          yes
passed, but worse   any                         VerificationFailed          yes
inconclusive        any                         VerificationInconclusive    yes
passed, in status   kept, or nothing serves     trusted
passed, in status   not known                   pending
passed, not yet     kept                        pending, and looked at soon
none yet            kept, or not known          pending, a pod is asked
==================  ==========================  ==========================  ========
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from slipway_operator.core import rollout, verdict
from slipway_operator.core.contract import broken, widened
from slipway_operator.core.diagnose import Fault
from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.pods import Pod
from slipway_operator.core.spec import Spec, Strategy
from slipway_operator.core.verdict import Outcome, Verdict
from slipway_operator.core.verification import Verification
from slipway_operator.core.worse import Comparison, compare

CONTRACT = "ContractBroken"
FAILED = "VerificationFailed"
INCONCLUSIVE = "VerificationInconclusive"
REFUSALS = frozenset({CONTRACT, FAILED, INCONCLUSIVE, rollout.FAILED, rollout.SHADOWED})
"""Why a revision that runs is refused all the same; the one before it keeps the traffic."""
UNTRUE = frozenset({FAILED, INCONCLUSIVE})
"""What pods say that find themselves wrong before they are ready."""
ROLLED_BACK = "RolledBack"
ABORTED = "Aborted"
RETURNED = "RollbackRequested"
UNKNOWN = "RevisionUnknown"
DEADLINE = "ProgressDeadlineExceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a revision's answers.

    ``fault`` says why they can't be trusted; without it, and without ``trusted``, ``message`` says
    what is waited for. ``verify`` is the address of a pod that must be told to begin, ``soon``
    whether another look is worth it at once.
    """

    message: str
    trusted: bool = False
    fault: Fault | None = None
    verify: str | None = None
    soon: bool = False


def refused(spec: Spec, seen: Observed, judged: Standing | None) -> Fault | None:
    """Say why the latest revision may not serve: a person, status, or its answers say so."""
    latest = seen.revision(spec.fingerprint)
    if spec.rollout.abort == spec.fingerprint:
        return Fault(
            reason=ABORTED,
            message=f"spec.rollout.abort names revision {spec.fingerprint}",
            hint="Remove spec.rollout.abort to try it again, or change the spec.",
            final=True,
        )
    if spec.rollout.rollback_to not in {None, spec.fingerprint}:
        return _returned(str(spec.rollout.rollback_to), seen)
    if latest is not None and latest.refusal is not None:
        return _again(Fault(**latest.refusal._asdict(), final=True))
    return judged.fault if judged is not None else None


def _again(fault: Fault) -> Fault:
    """Say how a revision is tried again for which that may end otherwise."""
    hint = f"{fault.hint} Another text in spec.rollout.retry tries it again as it is."
    return replace(fault, hint=hint.strip())


def _returned(named: str, seen: Observed) -> Fault:
    """Say that another revision shall serve than the spec asks for, and whether it can."""
    if rollout.usable(seen, named) is not None:
        return Fault(
            reason=RETURNED,
            message=f"spec.rollout.rollbackTo names revision {named}",
            hint="Remove spec.rollout.rollbackTo to serve what the spec asks for.",
            final=True,
        )
    kept = [r.fingerprint for r in seen.revisions if rollout.usable(seen, r.fingerprint)]
    return Fault(
        reason=UNKNOWN,
        message=f"spec.rollout.rollbackTo names revision {named}, which is not kept or may not "
        f"serve; there are {', '.join(kept)}",
        hint="Name one of these, as status.revisions has them, or apply the spec of before.",
        final=True,
    )


class Inquiry(NamedTuple):
    """Whose pods are asked about their answers: a ready one of each in ``one``, all of ``all``."""

    one: frozenset[str]
    all: frozenset[str]


def inquiry(spec: Spec, seen: Observed) -> Inquiry:
    """Choose whom to ask: the latest until it is judged, who watches himself, both in a trial."""
    good = seen.revision(rollout.last_good(seen))
    watching = [good.fingerprint] if good is not None and good.interval is not None else []
    if seen.rollout is not None and seen.rollout.tried:
        watching = [seen.rollout.fingerprint, *([good.fingerprint] if good is not None else [])]
    return Inquiry(frozenset(r.fingerprint for r in _unknown(spec, seen)), frozenset(watching))


def _unknown(spec: Spec, seen: Observed) -> Iterator[Revision]:
    """List the revisions of which something must be known before the latest may take over."""
    good, latest = seen.revision(rollout.last_good(seen)), seen.revision(spec.fingerprint)
    wish, auto = spec.verification, spec.rollout.strategy is Strategy.AUTO
    if latest is None or (wish is None and not auto):
        return
    base = None if good is latest else good
    told = latest.signature is not None and (wish is None or latest.verdict is not None)
    if not told and rollout.proven(latest, 1 if auto else rollout.needed(spec, seen, base)):
        yield latest
    if base is not None and base.signature is None and (auto or (wish and wish.backward)):
        yield base


def standing(spec: Spec, seen: Observed) -> Standing | None:
    """Judge the latest revision; None where its spec demands nothing of its answers."""
    latest, good = seen.revision(spec.fingerprint), seen.revision(rollout.last_good(seen))
    if spec.verification is None or latest is None:
        return None
    before = good if good is not latest else None
    base = before if spec.verification.backward else None
    compared = tuple(compare(spec.verification, latest, before)) if before is not None else ()
    fault = (
        _breach(latest, base)
        or _refusal(latest.verdict, spec.verification)
        or _worsened(latest.verdict, compared)
    )
    if fault is not None:
        return Standing(message=fault.message, fault=fault)
    found = latest.verdict
    if found is None:
        return _pending(latest, seen.pods_of(latest.fingerprint))
    if base is not None and (base.signature is None or latest.signature is None):
        return Standing(message=_mute(base if base.signature is None else latest))
    message = _praise(found, compared) + _differing(latest, base)
    return Standing(message=message, trusted=found.held, soon=not found.held)


def _breach(latest: Revision, base: Revision | None) -> Fault | None:
    """Find what would break callers of the revision that serves."""
    if base is None or base.signature is None or latest.signature is None:
        return None
    problems = broken(base.signature, latest.signature)
    if not problems:
        return None
    return Fault(
        reason=CONTRACT,
        message=f"callers of revision {base.fingerprint} would break: {'; '.join(problems)}",
        hint="Serve a model with the same inputs and outputs, give this one another name, or set "
        "spec.verification.compatibility to Any once callers are ready.",
        final=True,
    )


def _differing(latest: Revision, base: Revision | None) -> str:
    """Say in what callers of the revision that serves may notice the latest, and not break."""
    if base is None or base.signature is None or latest.signature is None:
        return ""
    found = widened(base.signature, latest.signature)
    said = f"callers of revision {base.fingerprint} go on, though {'; '.join(found)}"
    return f"; {said}" if found else ""


def _refusal(found: Verdict | None, wish: Verification) -> Fault | None:
    if found is None:
        return None
    passed = {f.name for f in found.findings if f.outcome is Outcome.PASSED}
    missing = [check.name for check in wish.checks if check.name not in passed]
    if found.outcome is Outcome.FAILED:
        hint = "Mend the model, or what is expected of it in spec.verification."
        return _fault(FAILED, found, _worst(found, "a check failed"), hint)
    if found.outcome is Outcome.INCONCLUSIVE or missing:
        hint = "Correct the check or its data set: without an answer nothing has passed."
        said = f"nothing is said of check {', '.join(missing)}"
        return _fault(INCONCLUSIVE, found, _worst(found, said), hint)
    return None


def _worsened(found: Verdict | None, compared: tuple[Comparison, ...]) -> Fault | None:
    """Find a score that passes, but is too much worse than before."""
    worse = next((each for each in compared if each.too_much), None)
    if found is None or worse is None:
        return None
    hint = "Mend the model, or allow the drop in spec.verification."
    return _fault(FAILED, found, str(worse), hint)


def _fault(reason: str, found: Verdict, message: str, hint: str) -> Fault:
    pod = found.pod or None
    return _again(Fault(reason=reason, message=message, hint=hint, final=True, pod=pod))


def _worst(found: Verdict, otherwise: str) -> str:
    worst = found.worst
    if worst is None:
        return otherwise
    return f"check {worst.name} ({worst.type}): {worst.message or worst.outcome.value}"


def _pending(latest: Revision, pods: tuple[Pod, ...]) -> Standing:
    asked = next((pod for pod in pods if pod.asked), None)
    who = f"revision {latest.fingerprint}"
    if asked is None:
        return Standing(message=f"{who} is verified when all its pods are ready")
    if asked.report is None:
        return Standing(message=f"pod {asked.name} does not say how its verification does")
    address = asked.address if verdict.waits(asked.report) else None
    return Standing(message=f"{who} is being verified in pod {asked.name}", verify=address)


def _mute(revision: Revision) -> str:
    return (
        f"no pod of revision {revision.fingerprint} has told its inputs and outputs, of which at "
        "most 64 can be compared; spec.verification.compatibility Any goes without"
    )


def _praise(found: Verdict, compared: tuple[Comparison, ...]) -> str:
    bound = float(found.bound) if found.bound else 1.0
    sure = f", so fewer than {bound:.2%} are wrong (95 %)" if bound < 1 else ""
    alone = [each.check.name for each in compared if each.drop is None]
    unlike = f"; there was nothing to compare {', '.join(alone)} with" if alone else ""
    return f"{len(found.findings)} checks passed over {found.rows} rows{sure}{unlike}"
