"""What a hand can tell from the force alone: a study of drawn patients.

Run it: python tests/haptics/feel.py. A patient here is a straight path through drawn layers, not a
generated pelvis: lengths from skin to bone and of the path, cortex, marrow and void are drawn from
facts/anatomy.md, and the person's own law from assets/tissue.toml. A scripted hand pushes through;
what it feels is what a Touch would give it, with the noise of a hand. It notices a change that is
larger than it can overlook (`cues`), and knows nothing else.
"""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass, replace

import numpy as np
from tissue_blocks import TABLE, TOOL

from haptics.device import TOUCH
from haptics.insertion import BREACHED, PUNCTURED
from haptics.law import drawn_law
from haptics.memory import fresh
from haptics.safety import HALF_N
from haptics.servo import ROW_AXIAL, ROW_BROKEN, ROW_EVENTS
from haptics.tissue import Layer, TissueField, layer_table
from haptics.virtual import Push, at_rest, scripted_ticks

PATIENTS = 200
CORTEX_HU, SOFT_HU, TEXTURE_HU = 1100.0, 50.0, 28.0  # as game/patient/density.py draws them
THICKNESSES = ((0.5, 0.8), (0.8, 1.2), (1.2, 1.6), (1.6, 2.0))  # mm of far cortex
AIR_MM, BEYOND_MM = 10.0, 25.0
# Of the force before, and N on the device: so that in quiet bone, 12 mm before the far cortex, at
# most one in ten believes to notice something (`Felt.sham`); project choices
NOTICED, NOTICED_N = 0.25, 0.15
NOISE_N = 0.02  # root mean square of a hand's own unrest; a project choice
SHAM_MM = 12.0
SMOOTH = 20  # ms over which a force is felt; a project choice
BACK = (150, 500)  # ms between what is compared: a sudden change, a slow one; project choices
TABLE_ROWS = tomllib.loads(TABLE.read_text())


@dataclass(frozen=True)
class Person:
    """Lengths in mm along the path, marrow in Hounsfield units; a `void` begins that far behind
    the entry cortex, None where there is none."""

    seed: int
    skin_to_bone: float
    path: float
    entry_cortex: float
    far_cortex: float
    marrow: float
    void: float | None
    void_hu: float


def person(seed: int) -> Person:
    """Half of all have the alar void of osteoporosis (Wagner 2016), with thin cortex and the marrow
    of insufficiency fractures (Andresen 2025); the others range from those to healthy alae."""
    dice = np.random.default_rng(seed)
    thin = bool(dice.random() < 0.5)
    return Person(
        seed=seed,
        skin_to_bone=dice.uniform(22.0, 58.0),
        path=float(np.clip(dice.normal(63.5, 5.7), 50.0, 80.0)),
        entry_cortex=dice.uniform(0.6, 1.4) if thin else dice.uniform(0.8, 2.0),
        far_cortex=dice.uniform(0.5, 1.2) if thin else dice.uniform(0.8, 2.0),
        marrow=max(0.0, dice.normal(44.8, 18.3)) if thin else dice.uniform(60.0, 250.0),
        void=dice.uniform(5.0, 15.0) if thin else None,
        void_hu=dice.normal(-30.0, 10.0),
    )


def tissue(who: Person) -> TissueField:
    """Their path as a field: the skin at z = 0, straight down along z, 1 mm voxels."""
    deep = who.skin_to_bone + who.path
    depth = np.arange(-AIR_MM + 0.5, deep + BEYOND_MM)  # of each voxel's middle under the skin
    inside = np.minimum(depth - who.skin_to_bone, deep - depth)
    cortex = np.where(depth < who.skin_to_bone + 0.5 * who.path, who.entry_cortex, who.far_cortex)
    bone, core = np.clip(0.5 + inside, 0, 1), np.clip(0.5 + inside - cortex, 0, 1)
    grain = np.convolve(np.random.default_rng(who.seed).normal(size=len(depth)), [0.3, 0.4, 0.3])
    marrow = np.full(len(depth), who.marrow)
    if who.void is not None:
        marrow[depth - who.skin_to_bone > who.void] = who.void_hu
    marrow += TEXTURE_HU * grain[1:-1] / grain.std()
    units = SOFT_HU * (1 - bone) + CORTEX_HU * (bone - core) + marrow * core
    codes = np.select([depth < 0, depth < 3, depth < 0.4 * who.skin_to_bone, inside > 0],
                      [Layer.AIR, Layer.SKIN, Layer.FAT, Layer.MAPPED], Layer.MUSCLE)  # fmt: skip

    def spread(column: np.ndarray, kind: type) -> np.ndarray:
        return np.ascontiguousarray(np.broadcast_to(column[::-1], (3, 3, len(depth))), kind)

    origin = np.array([-1.0, -1.0, -depth[-1]])
    return TissueField(
        spread(codes, np.uint8), layer_table({int(layer): layer for layer in Layer}),
        spread(units, np.int16), origin, 1.0, spread(-inside, np.float32),
        spread(cortex, np.float32), origin, 1.0, spread(np.zeros(len(depth)), np.uint8),
    )  # fmt: skip


def pushed(who: Person) -> np.ndarray:
    """Servo rows of a hand that pushes from above the skin to 8 mm beyond the far cortex."""
    field, law = tissue(who), drawn_law(TABLE_ROWS, who.seed)
    goal = Push(2.0 + who.skin_to_bone + who.path + 8.0, 8.0, 3.0)
    hand = replace(at_rest((0.0, 0.0, 2.0), (0.0, 0.0, -1.0)), arrived=False)
    tool = TOOL if goal.goal < 115.0 else TOOL._replace(length=150.0)
    memory, parts = fresh(), []
    while not hand.arrived and len(parts) < 200:
        memory, hand, rows = scripted_ticks(field, law, tool, memory, hand, goal, 500)
        parts.append(rows)
    return np.concatenate(parts)


def felt(axial: np.ndarray, seed: int) -> np.ndarray:
    """The force on the hand, N: the device's map, the hand's unrest, its own slowness."""
    dice = np.random.default_rng(seed)
    on_device = TOUCH.peak * axial / (np.abs(axial) + HALF_N)
    noisy = on_device + np.sqrt(SMOOTH) * dice.normal(0.0, NOISE_N, len(axial))
    return np.convolve(noisy, np.full(SMOOTH, 1.0 / SMOOTH), mode="same")


def cues(force: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ms at which a rise, and at which a drop, is large enough to be noticed."""
    rises, drops = [], []
    for back in BACK:
        before, now = force[:-back], force[back:]
        enough = np.maximum(NOTICED_N, NOTICED * np.abs(before))
        at = np.arange(back, len(force))
        rises.append(at[now - before > enough])
        drops.append(at[before - now > enough])
    return np.concatenate(rises), np.concatenate(drops)


@dataclass(frozen=True)
class Felt:
    """What one person's trace told: whether the entry, the void (None where there is none) and the
    breach (None where the hand was too weak to get there) were noticed, and a `sham` breach
    SHAM_MM before it, where nothing is; the puncture force, N, unscaled, which
    is infinite where the hand was too weak for it."""

    who: Person
    entry: bool
    void: bool | None
    breach: bool | None
    sham: bool | None
    puncture: float


def near(cue: np.ndarray, ms: int, before: int, after: int) -> bool:
    return bool(np.any((cue >= ms - before) & (cue <= ms + after)))


def studied(seed: int) -> Felt:
    who = person(seed)
    rows = pushed(who)
    rises, drops = cues(felt(rows[:, ROW_AXIAL], who.seed))
    events = rows[:, ROW_EVENTS].astype(int)
    if not np.any(events & PUNCTURED):
        return Felt(who, False, None, None, None, np.inf)
    entry = int(np.flatnonzero(events & PUNCTURED)[0])
    depth = -rows[:, 2] - who.skin_to_bone
    void = None
    if who.void is not None:
        void = near(drops, int(np.argmax(depth > who.void)), 300, 1000)
    return Felt(
        who,
        entry=near(rises, entry, 1500, 0) and near(drops, entry, 0, 1000),
        void=void,
        breach=_noticed(np.flatnonzero(events & BREACHED), rises, drops),
        sham=_noticed(np.flatnonzero(depth > who.path - SHAM_MM), rises, drops),
        puncture=float(rows[entry, ROW_BROKEN]),
    )


def _noticed(times: np.ndarray, rises: np.ndarray, drops: np.ndarray) -> bool | None:
    """Whether a change was noticed about the first of these times; None where there is none."""
    if not len(times):
        return None
    ms = int(times[0])
    return near(rises, ms, 600, 0) or near(drops, ms, 300, 400)


def found(people: list[Felt], lowest: float = 0.0, highest: float = 9.0) -> float:
    """The share of them, by far cortex in mm, whose breach was noticed."""
    some = [
        one.breach
        for one in people
        if one.breach is not None and lowest <= one.who.far_cortex < highest
    ]
    return float(np.mean(some)) if some else float("nan")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else PATIENTS
    people = [studied(seed) for seed in range(count)]
    thin = [one for one in people if one.who.void is not None]
    forces = np.percentile([min(600.0, one.puncture) for one in people], [0, 5, 50, 95, 100])
    print(f"{len(people)} people, {len(thin)} with a void")
    print(f"entry cortex found          {np.mean([one.entry for one in people]):.1%}")
    voids = [one.void for one in thin if one.void is not None]
    print(f"void's entry found          {np.mean(voids):.1%}")
    for low, high in THICKNESSES:
        print(f"breach, cortex {low}-{high} mm    {found(people, low, high):.1%}")
    print(f"breach found in void cases  {found(thin):.1%}")
    shams = [one.sham for one in people if one.sham is not None]
    print(f"a breach where none is      {np.mean(shams):.1%}")
    print("puncture force, N: least, 5 %, median, 95 %, most:", *(f"{f:.1f}" for f in forces))


if __name__ == "__main__":
    main()
