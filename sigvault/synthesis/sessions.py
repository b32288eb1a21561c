"""One signature among a signer's many: the session it belongs to, slow drift, and slips.

The variance of a signer's signatures has three parts: what is each signature's own, what those of
one session share, and what drifts from session to session. Each part is a perturbed run of the
plan, so that size, slant, proportions and single ways all drift. The drift is interpolated between
independent runs some sessions apart: any signature can be made without those before it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from sigvault.synthesis.habits import Habits
from sigvault.synthesis.plan import ActionPlan
from sigvault.synthesis.seeding import Purpose, stream
from sigvault.synthesis.signer import SyntheticSigner
from sigvault.synthesis.style import Dynamics
from sigvault.synthesis.variation import perturb

_DRIFT_SESSIONS: Final = 4
"""Sessions from one independent run of the drift to the next."""

_SMALL_MARK: Final = 2
"""Ways, at most, of a mark that may be left out."""

_SHORT_LIFT: Final = 4.0
"""Millimetres that a pen which should have been lifted drags at most."""


def session_of(habits: Habits, number: int) -> int:
    """The session, from 0, that signature ``number`` (from 1) was written in."""
    return (number - 1) // habits.session_length


def run_of_the_day(
    signer: SyntheticSigner,
    habits: Habits,
    number: int,
    amount: float,
    rng: np.random.Generator,
) -> tuple[ActionPlan, Dynamics]:
    """The plan and the dynamics of one of a signer's signatures.

    Args:
        signer: who writes.
        habits: the signer's.
        number: of the signature, from 1.
        amount: factor on its variation; 1 is usual.
        rng: where what is this signature's own comes from.

    Returns:
        The plan as it is carried out, and how.
    """
    session = session_of(habits, number)
    shares = habits.session_share, habits.drift_share
    occasion = stream(signer.seed, signer.number, Purpose.SESSION, session)
    plan = _drifted(signer, habits, session)
    plan = perturb(plan, signer.variation * shares[0] ** 0.5, occasion, habits.variation)
    pace = habits.variation.pace * shares[0] ** 0.5 * occasion.standard_normal()
    own = (1 - sum(shares)) ** 0.5
    plan = perturb(plan, amount * own, rng, habits.variation)
    pace += habits.variation.pace * own * rng.standard_normal()
    dynamics = replace(signer.dynamics, mu=signer.dynamics.mu + pace)
    return _slip(plan, habits, rng), dynamics


def _drifted(signer: SyntheticSigner, habits: Habits, session: int) -> ActionPlan:
    """The plan as the signer has it in this session: between two independent runs of the drift."""
    knot, place = divmod(session, _DRIFT_SESSIONS)
    late = place / _DRIFT_SESSIONS
    amount = signer.variation * habits.drift_share**0.5
    before, after = (
        perturb(
            signer.plan,
            amount,
            stream(signer.seed, signer.number, Purpose.DRIFT, number),
            habits.variation,
        )
        for number in (knot, knot + 1)
    )
    # Weights of unit square sum keep the variance level between the runs.
    first, second = np.cos(late * np.pi / 2), np.sin(late * np.pi / 2)
    plan = signer.plan
    return replace(
        plan,
        targets=plan.targets
        + first * (before.targets - plan.targets)
        + second * (after.targets - plan.targets),
        bends=plan.bends
        + first * (before.bends - plan.bends)
        + second * (after.bends - plan.bends),
    )


def _slip(plan: ActionPlan, habits: Habits, rng: np.random.Generator) -> ActionPlan:
    """Now and then drag the pen where it is usually lifted, leave a mark out or add a stroke."""
    ways = np.hypot(*np.diff(plan.targets, axis=0).T)
    dragged = ~plan.down & (ways < _SHORT_LIFT) & (rng.random(len(ways)) < habits.joins)
    plan = replace(plan, down=plan.down | dragged)
    if rng.random() < habits.omits:
        plan = _without_a_mark(plan, rng)
    if rng.random() < habits.adds:
        plan = _with_a_stroke(plan, rng)
    return plan


def _without_a_mark(plan: ActionPlan, rng: np.random.Generator) -> ActionPlan:
    """Leave out one small mark between two lifts, or one at the end, if there is any."""
    lifts = np.flatnonzero(~plan.down)
    ends = np.append(lifts[1:], len(plan.down))
    small = np.flatnonzero((ends - lifts <= _SMALL_MARK + 1) & (lifts > 0))
    if len(small) == 0:
        return plan
    chosen = small[int(rng.integers(len(small)))]
    mark = np.arange(lifts[chosen], ends[chosen])
    return ActionPlan(
        targets=np.delete(plan.targets, mark + 1, axis=0),
        bends=np.delete(plan.bends, mark),
        down=np.delete(plan.down, mark),
        pauses=np.delete(plan.pauses, mark),
    )


def _with_a_stroke(plan: ActionPlan, rng: np.random.Generator) -> ActionPlan:
    """Add a stroke at the end: a tail, or a dot beside it."""
    wide, tall = np.ptp(plan.targets, axis=0)
    end = plan.targets[-1]
    if rng.random() < 0.5:
        tail = end + np.array([rng.uniform(0.05, 0.2) * wide, rng.uniform(-0.3, 0.2) * tall])
        added, down = tail[None], [True]
    else:
        dot = end + np.array([rng.uniform(0.02, 0.1) * wide, rng.uniform(-0.1, 0.1) * tall])
        added, down = np.stack([dot, dot + np.array([0.3, -0.2])]), [False, True]
    return ActionPlan(
        targets=np.concatenate([plan.targets, added]),
        bends=np.append(plan.bends, np.zeros(len(down))),
        down=np.append(plan.down, down),
        pauses=np.append(plan.pauses, np.zeros(len(down))),
    )
