"""What the usual rubric makes of a trace, for tests of scoring."""

from __future__ import annotations

from game.scoring import metrics
from game.scoring.rubric import load_rubric
from game.scoring.scorecard import Scorecard, score
from game.simulation.events import Aliquot
from written_traces import Trace

RUBRIC = load_rubric()


def graded(trace: Trace) -> Scorecard:
    return score(trace, RUBRIC)


def kinds(card: Scorecard) -> list[str]:
    return [error.id for error in card.critical]


def aliquot(trace: Trace, nth: int) -> Aliquot:
    return metrics.all_of(trace, Aliquot)[nth]
