"""The expert: performs the long-axis technique as it is taught (facts of the procedure).

A procedure is a generator that answers each State with the next Control. The expert uses what a
person has: the C-arm, pictures, a hand on the cannula, the plunger; a leak is acted on when a
picture shows it, not before.
"""

from __future__ import annotations

from collections.abc import Generator
from math import ceil, inf

import numpy as np

from game.devices.injector import SyringeName
from game.geometry.grid import FloatArray, Point
from game.geometry.views import ViewName
from game.patient.patient import Side
from game.simulation.batch import cement_age, in_room, product_of
from game.simulation.case import Case
from game.simulation.cement.products import USUAL
from game.simulation.clock import TICK, UNITS_PER_SECOND, seconds
from game.simulation.control import (
    Action,
    Connect,
    Control,
    DrawUp,
    Expose,
    Finish,
    Mark,
    Mix,
    MoveStylet,
    Recall,
    RemoveCannula,
    ServoReport,
    TakeCannula,
)
from game.simulation.placing import bony_depth
from game.simulation.state import State
from game.simulation.step import begin
from game.training.hands import Hand, take_up
from game.training.plan import Line, cannula_length, oblique, planned_line, stops, stored_position
from game.training.tissue import tissue_of
from haptics.virtual import TURNING

Procedure = Generator[Control, State, None]

ALIQUOT_ML = 0.3  # facts/procedure.md: 0.1-0.3 mL
# With the bore 3.3 mL a side; facts/procedure.md: 2-4. Each side has a batch of its own: one does
# not stay toothpaste for two
SYRINGE_ALIQUOTS = 9
SYRINGE: SyringeName = "1-ml"  # the least force for a given pressure, and the finest aliquots
FLOW_UL_S = 50  # 0.05 mL/s, at which plunger forces were published (facts/haptics.md)
SPENT_ML = 1e-4  # less than this behind the plunger is none
PRIMING_S = 25.0  # the first bore is filled so long before the cement is toothpaste
SHORT_OF_TIP_ML = 0.003  # a bore is filled to just short of its tip
SLACK_MM = 0.25  # the drawing hand follows the plunger this closely
FOOT_MM = 14.0  # injection ends this far from the entry cortex; facts/procedure.md: at least 10
SEEN_LEAK_ML = 0.02  # a leak this large shows on a picture: a project choice, not validated
LEAKS_BORNE = 1  # at the next new leak the side is abandoned: facts/procedure.md
LEAK_REST_S = 30.0  # facts/procedure.md: wait 30-60 s, unverified there
BREATH_S = 0.5  # hands away before a picture: a project choice
PATIENCE_S = 30.0  # an aliquot that does not go in by then is given up: a project choice
UNDER_SKIN_MM = 4.0  # a cannula drawn back this far is taken away
START_MM = 5.0  # the tip is brought to the skin from this far


def perform(
    case: Case, entry_offset: float = 0.0, product: str = USUAL, injected_from_s: float = inf
) -> Procedure:
    """The whole case with a cement `product`; `entry_offset` mm displaces both bony entries, to
    test the grading. Injection begins when the cement is toothpaste, or `injected_from_s` s after
    mixing where that is earlier: too soon by what is taught, as others did it."""
    yield from _Expert(case, entry_offset, product, injected_from_s).whole_case()


class _Expert:
    """`state` is the last State seen; every generator is a stretch of the procedure."""

    def __init__(
        self, case: Case, entry_offset: float, product: str, injected_from_s: float
    ) -> None:
        self.case = case
        self.product, self.injected_from_s = product, injected_from_s
        self.state = begin(case)
        self.sides = case.level.sides
        self.lines = {side: planned_line(case, side, entry_offset) for side in self.sides}
        self.tissue = tissue_of(case.patient)
        self.hands: dict[Side, Hand] = {}

    def whole_case(self) -> Procedure:
        yield from self.look("ap")
        for side in self.sides:
            yield from self.place(side)
        for side in self.sides:
            yield from self.fresh_batch()
            yield from self.prime(side)
            yield from self.fill(side)
        yield from self.until_age(product_of(self.state).setting_s + 5.0)
        for side in self.sides:
            yield from self.remove(side)
        yield from self.look("ap")
        yield from self.look("lateral")
        yield from self.do(Finish())

    # Placing a cannula

    def place(self, side: Side) -> Procedure:
        """One cannula from the tray to its resting place, confirmed on both views."""
        line = self.lines[side]
        yield from self.look(oblique(side))
        yield from self.do(Mark(side, self.on_picture(line.entry)))
        yield from self.look("lateral")
        yield from self.do(TakeCannula(side, self.case.level.gauge, cannula_length(line)))
        yield from self.to_bone(side, line)
        yield from self.look(oblique(side))
        yield from self.look("lateral")
        for depth in stops(line):
            yield from self.move(side, line.tissue_length + depth)
            yield from self.picture()
        yield from self.look("ap")
        yield from self.look("lateral")

    def to_bone(self, side: Side, line: Line) -> Procedure:
        """Through skin and muscle under lateral control until the tip stands in the cortex."""
        hand = Hand(take_up(self.tissue, self.state.servo_view(side)))
        start = line.skin - START_MM * line.direction
        self.hands[side] = hand.place(_point(start), _point(line.direction))
        yield from self.move(side, line.tissue_length - START_MM)
        yield from self.picture()
        yield from self.move(side, line.tissue_length + 1.0)

    def move(self, side: Side, depth: float, turning: float = 0.0) -> Procedure:
        """Push or draw the cannula until its tip is `depth` mm from the skin along its line; one
        that is drawn may be turned, rad/s."""
        hand, goal = self.hands[side].told(self.state.servo_view(side)), depth + START_MM
        if goal > hand.depth:
            hand = hand.advance_to(goal)
        else:
            hand = hand.withdraw_to(goal, turning=turning)
        while not (hand.done or hand.stuck):
            hand, report = hand.tick(self.state.time + TICK)
            yield from self.hold(side, report)
        self.hands[side] = hand

    # Cement

    def fresh_batch(self) -> Procedure:
        """Cement, mixed and about to be toothpaste; the batch before is given up once stiff."""
        yield from self.do(Connect(None))
        while self.workable():
            yield from self.tick(Control())
        yield from self.do(Mix(self.product))
        chosen = product_of(self.state)
        begins = min(chosen.window_s[0], self.injected_from_s)
        yield from self.until_age(max(chosen.mixing_s, begins - PRIMING_S))

    def workable(self) -> bool:
        """Whether a batch is mixed that may still be injected."""
        if self.state.injector.mixed_at is None:
            return False
        found = product_of(self.state).consistency(in_room(self.state).age_s)
        return found in ("liquid", "toothpaste")

    def prime(self, side: Side) -> Procedure:
        """Stylet out, and the bore filled until cement stands at the tip, or is too thick to."""
        yield from self.do(MoveStylet(side, False))
        yield from self.full_syringe(side)
        full = self.state.cannulas[side].dead_volume_ml - SHORT_OF_TIP_ML
        until = self.state.time + round(PATIENCE_S * UNITS_PER_SECOND)
        while self.state.injector.bore_ml.get(side, 0.0) < full and self.state.time < until:
            yield from self.tick(Control(plunger=FLOW_UL_S))
        yield from self.full_syringe(side)

    def full_syringe(self, side: Side) -> Procedure:
        """Take the syringe off, fill it, and connect it to a side."""
        yield from self.do(Connect(None))
        yield from self.do(DrawUp(SYRINGE))
        while self.state.time < self.state.injector.ready_at:
            yield from self.tick(Control())
        yield from self.do(Connect(side))

    def fill(self, side: Side) -> Procedure:
        """A column along the path: aliquots given while the cannula is drawn back, both views after
        each. The last ones are what stands in the bore, pushed out by the stylet."""
        bore = self.state.cannulas[side].dead_volume_ml
        pushes = ceil(bore / ALIQUOT_ML)
        aliquots = [ALIQUOT_ML] * SYRINGE_ALIQUOTS + [bore / pushes] * pushes
        aliquots[-1] += SHORT_OF_TIP_ML  # until the stylet is home
        stretch = (bony_depth(self.state.cannulas[side]) - FOOT_MM) / len(aliquots)
        leaks = 0
        for number, ml in enumerate(aliquots):
            if number == len(aliquots) - pushes:
                yield from self.do(MoveStylet(side, True))
            seen = self.state.cement.leaked_ml
            yield from self.aliquot(side, ml, stretch)
            yield from self.due_views()
            if self.state.cement.leaked_ml - seen > SEEN_LEAK_ML:
                leaks += 1
                if leaks > LEAKS_BORNE:
                    return
                yield from self.let_rest()

    def aliquot(self, side: Side, ml: float, stretch: float) -> Procedure:
        """Press until the aliquot is in, drawing the cannula back over `stretch` mm meanwhile, then
        release; give up where the bone takes no more."""
        injector = self.state.injector
        if injector.connected == side and injector.syringe_ml < ml:
            yield from self.full_syringe(side)
        start, began = self.given(side), self.state.time
        deep = bony_depth(self.state.cannulas[side])
        while self.given(side) < start + ml and not self.state.cannulas[side].stylet:
            if seconds(self.state.time - began) > PATIENCE_S:
                break
            share = (self.given(side) - start) / ml
            yield from self.press_and_draw(side, deep - share * stretch)
        until = self.state.time + round(PATIENCE_S * UNITS_PER_SECOND)
        while self.state.time < until and (
            self.state.run is not None or self.state.injector.backlog_ml > SPENT_ML
        ):
            yield from self.tick(Control(plunger=-FLOW_UL_S))

    def press_and_draw(self, side: Side, depth: float) -> Procedure:
        """One tick of both hands: the plunger pressed, the cannula drawn towards a bony depth."""
        hand = self.hands[side]
        goal = START_MM + self.lines[side].tissue_length + depth
        if hand.depth - goal > SLACK_MM:
            hand = hand.withdraw_to(goal)
        hand, report = hand.tick(self.state.time + TICK)
        self.hands[side] = hand
        yield from self.tick(Control(plunger=FLOW_UL_S, active=side, hand_on=True, servo=report))

    def given(self, side: Side) -> float:
        """What has left the tip or is compressed behind it, mL."""
        return self.state.injected_ml.get(side, 0.0) + self.state.injector.backlog_ml

    def due_views(self) -> Procedure:
        """One frontal and one lateral; frontal first where a foramen is at risk, else whichever
        the C-arm stands at."""
        frontal_first = self.case.level.foramen_at_risk or self.state.picture_view == "ap"
        views: tuple[ViewName, ...] = ("ap", "lateral") if frontal_first else ("lateral", "ap")
        for view in views:
            yield from self.look(view)

    def let_rest(self) -> Procedure:
        """A leak was seen: pressure is off; wait, and look again."""
        yield from self.wait(LEAK_REST_S)
        yield from self.due_views()

    def remove(self, side: Side) -> Procedure:
        """Out of the patient with the stylet in: turned, so that set cement lets go, drawn back to
        the skin, then taken away."""
        yield from self.move(side, UNDER_SKIN_MM, TURNING)
        yield from self.do(RemoveCannula(side))

    # Pictures and time

    def look(self, view: ViewName) -> Procedure:
        """Bring the C-arm to a view and take one picture, hands out of the beam."""
        goal = stored_position(self.case, view)
        yield from self.do(Recall(goal))
        while self.state.carm.moving:
            yield from self.tick(Control())
        yield from self.picture()

    def picture(self) -> Procedure:
        yield from self.wait(BREATH_S)
        yield from self.do(Expose())

    def on_picture(self, point: FloatArray) -> Point:
        """Where an LPS point lies on the detector of the last picture."""
        projection = self.state.picture_pose.projection()
        column, row = projection.project(point[None])[0]
        return _point(projection.pixel(column, row))

    def until_age(self, age: float) -> Procedure:
        while (cement_age(self.state) or 0.0) < age:
            yield from self.tick(Control())

    def wait(self, duration: float) -> Procedure:
        until = self.state.time + round(duration * UNITS_PER_SECOND)
        while self.state.time < until:
            yield from self.tick(Control())

    def do(self, *actions: Action) -> Procedure:
        yield from self.tick(Control(actions=actions))

    def hold(self, side: Side, report: ServoReport) -> Procedure:
        yield from self.tick(Control(active=side, hand_on=True, servo=report))

    def tick(self, control: Control) -> Procedure:
        self.state = yield control


def _point(vector: FloatArray) -> Point:
    x, y, z = np.asarray(vector, float).tolist()
    return x, y, z
