from __future__ import annotations

import pytest

from sigvault.domain.reviewing import ReviewRules
from sigvault.domain.verdicts import KeepProbes, ReviewState, Verdict

YES, NO, PERHAPS = Verdict


@pytest.mark.parametrize(
    ("reviewers", "verdicts", "state"),
    [
        (1, [YES], ReviewState.DECIDED),
        (1, [PERHAPS], ReviewState.DECIDED),
        (2, [YES], ReviewState.OPEN),
        (2, [YES, YES], ReviewState.DECIDED),
        (2, [YES, NO], ReviewState.DISPUTED),
        (2, [PERHAPS, NO], ReviewState.DISPUTED),
        (2, [PERHAPS, NO, NO], ReviewState.DECIDED),
        (2, [PERHAPS, NO, YES], ReviewState.DECIDED),
        (1, [YES, NO], ReviewState.DECIDED),  # disputed before the rules became laxer
    ],
)
def test_where_a_case_stands(reviewers, verdicts, state):
    assert ReviewRules(reviewers=reviewers).state_after(verdicts) is state


@pytest.mark.parametrize("asked", [True, False])
def test_which_probes_are_kept(asked):
    assert not KeepProbes.NEVER.keeps(asked=asked)
    assert KeepProbes.ALWAYS.keeps(asked=asked)
    assert KeepProbes.REVIEW.keeps(asked=asked) is asked
