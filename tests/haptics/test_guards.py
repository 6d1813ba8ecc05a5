"""What each guard of the safety chain is there for, and that each is needed.

Each guard has a trial that fails without it; `test_every_guard_is_needed` takes the guards away one
by one from the module's own source and shows that.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from chain import ACTIVATED, LIMITS, Guard, bound, root_mean_square, run, seen

from haptics import safety
from haptics.device import TOUCH
from haptics.safety import (
    ARM,
    HEAT,
    IN_AT,
    IN_FLAGS,
    IN_FORCE,
    IN_PUBLISHED,
    IN_SPEED,
    IN_TIME,
    MODE,
    SLEW,
    TOLD,
    guard,
)

# What each guard is there for; each of these is run on the real kernel and without its guard.


def clamp_holds(kernel: Guard) -> None:
    """Whatever a memory says of the heat and of what was told, nothing over the peak is told."""
    memory = ACTIVATED.copy()
    memory[TOLD], memory[HEAT] = 50.0, -1000.0
    told = run(kernel, [seen(1100 + n, (500.0, 0.0, 0.0)) for n in range(3)], memory)[0]
    assert np.linalg.norm(told, axis=1).max() <= TOUCH.peak


def watchdog_holds(kernel: Guard) -> None:
    """70 ms after the last published State there is no force; fresh State ramps it up again."""
    rows = [seen(1100 + n, (60.0, 0.0, 0.0), published=1.1) for n in range(100)]
    told = np.linalg.norm(run(kernel, rows, ACTIVATED)[0], axis=1)
    assert told[60] > 0.5
    assert not told[70:].any()


def slew_holds(kernel: Guard) -> None:
    rows = [seen(1100 + n, (900.0 * (-1) ** n, 0.0, 0.0)) for n in range(10)]
    told = np.vstack([np.zeros(3), run(kernel, rows, ACTIVATED)[0]])
    assert np.linalg.norm(np.diff(told, axis=0), axis=1).max() <= SLEW * TOUCH.peak * (1 + 1e-9)


def passivity_holds(kernel: Guard) -> None:
    """A law that pushes the hand on, in and out, gives it no more than the bound."""
    assert energy_given(kernel, SimpleNamespace(m=0.15, b=3.0, k=300.0), 3000) <= bound(TOUCH)


def ramp_holds(kernel: Guard) -> None:
    """In the first second the force is at most its share of the peak."""
    rows = [seen(0), *(seen(n, (400.0, 0.0, 0.0)) for n in range(1, 1000))]
    told = np.linalg.norm(run(kernel, rows)[0], axis=1)
    assert (told <= TOUCH.peak * np.arange(1000) / 1000 + 1e-12).all()
    assert told[-1] > 0.3


def thermal_holds(kernel: Guard) -> None:
    """Whatever a map asks of the motors: here the peak, all the time."""
    rows = [seen(1100 + n, (600.0, 0.0, 0.0)) for n in range(2500)]
    told = run(kernel, rows, ACTIVATED, LIMITS._replace(lasting=TOUCH.peak))[0]
    assert root_mean_square(told) <= 0.88
    assert np.linalg.norm(told, axis=1).max() > 2.0


def energy_given(kernel: Guard, hand: SimpleNamespace, ticks: int) -> float:
    """The most energy, mJ, ever given to a hand (kg, N s/m, N/m) by a law of negative damping."""
    memory, told, row = ACTIVATED.copy(), np.zeros(3), seen(0)
    x, v, given, most = 0.5, 20.0, 0.0, 0.0
    for n in range(ticks):
        row[IN_TIME] = row[IN_PUBLISHED] = 1.1 + 0.001 * n
        row[IN_AT], row[IN_SPEED], row[IN_FORCE] = x, v, 20.0 * v
        row[IN_FLAGS] = ARM
        kernel(LIMITS, memory, row, told)
        v += (told[0] - hand.b * v * 1e-3 - hand.k * x * 1e-3) / hand.m  # mm/s in 1 ms
        given += told[0] * v * 0.001
        x += v * 0.001
        most = max(most, given)
    return most


GUARDS: dict[str, tuple[Callable[[Guard], None], Callable[..., object]]] = {
    "_clamp": (clamp_holds, lambda *_: None),
    "_stale": (watchdog_holds, lambda *_: False),
    "_slew": (slew_holds, lambda *_: None),
    "_keep_passive": (passivity_holds, lambda *_: None),
    "_gain": (ramp_holds, lambda m: float(m[MODE] in (1, 2))),
    "_cool_enough": (thermal_holds, lambda *_: np.inf),
}


@pytest.mark.parametrize("name", GUARDS)
def test_a_guard_holds(name: str) -> None:
    GUARDS[name][0](guard)


def module_without(name: str) -> ModuleType:
    """The safety module as plain Python, one of its functions replaced."""
    source = Path(safety.__file__).read_text(encoding="utf-8")
    module = ModuleType("safety_without_a_guard")
    plain = source.replace("from numba import njit", "njit = lambda **_: lambda f: f")
    assert plain != source
    exec(compile(plain, "safety_without_a_guard", "exec"), module.__dict__)
    assert name in vars(module)
    setattr(module, name, GUARDS[name][1])
    return module


@pytest.mark.parametrize("name", GUARDS)
def test_every_guard_is_needed(name: str) -> None:
    with pytest.raises(AssertionError):
        GUARDS[name][0](module_without(name).guard)
