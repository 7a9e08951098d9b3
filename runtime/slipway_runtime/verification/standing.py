"""Whether a pod that is asked again and again is still right, and still has callers. Pure.

A pod that is *wrong* turns away callers only after somebody else has answered rightly what it got
wrong. Where all are wrong, as after a change that no check foresaw, nobody can tell it from its
peers, and none leaves: wrong answers are an alarm, no answers an outage.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Result(StrEnum):
    """What a round of questions came to. An error says nothing of the answers."""

    RIGHT = "right"
    WRONG = "wrong"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Standing:
    """A moment in a pod's life; ``threshold`` rounds in a row make it wrong, and right again.

    ``peers_right`` is what the peers said last, None if they were not asked. ``away`` is whether
    callers are turned away; ``lonely`` counts the rounds since a peer was last heard to be right.
    """

    threshold: int
    rounds: int = 0
    wrong_in_a_row: int = 0
    right_in_a_row: int = 0
    wrong: bool = False
    peers_right: bool | None = None
    lonely: int = 0
    away: bool = False

    def after(self, result: Result) -> "Standing":
        """Count a round."""
        counted = replace(self, rounds=self.rounds + 1)
        match result:
            case Result.ERROR:
                return counted
            case Result.WRONG:
                row = self.wrong_in_a_row + 1
                wrong = self.wrong or row >= self.threshold
                return replace(counted, wrong_in_a_row=row, right_in_a_row=0, wrong=wrong)
            case Result.RIGHT:
                row = self.right_in_a_row + 1
                counted = replace(counted, wrong_in_a_row=0, right_in_a_row=row)
                return counted._recovered() if row >= self.threshold else counted

    def heard(self, right: bool) -> "Standing":
        """Learn what the peers answer to what this pod got wrong.

        That nobody is right any more, for as many rounds as made it wrong, brings callers back.
        """
        lonely = 0 if right else self.lonely + 1
        away = right or (self.away and lonely < self.threshold)
        return replace(self, peers_right=right, lonely=lonely, away=away)

    def _recovered(self) -> "Standing":
        return replace(self, wrong=False, peers_right=None, lonely=0, away=False)
