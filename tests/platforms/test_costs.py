"""Estimates: what is counted, when somebody is asked, and what is not asked twice."""

from __future__ import annotations

import pytest

from platforms.costs import Budget, Estimate, Prices
from platforms.errors import SpendingRefused

PRICES = Prices(index_minute=0.04, analysis_minute=0.03, search=0.004)


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (Estimate(10.0), "about $0.40 (10.0 minutes to index x $0.04, plus"),
        (Estimate(0.0, 20.0), "about $0.60 (20.0 minutes x classes to analyse x $0.03, plus"),
        (Estimate(0.0, 0.0, 50), "about $0.20 (50 searches x $0.004, plus"),
        (
            Estimate(10.0) + Estimate(0.0, 20.0),
            "about $1.00 (10.0 minutes to index x $0.04 + 20.0 minutes x classes to analyse x",
        ),
    ],
)
def test_an_estimate_is_a_sum_that_can_be_checked(estimate: Estimate, words: str) -> None:
    assert PRICES.in_words(estimate).startswith(words)


def budget(confirm_above: float, answers: list[bool] | None = None) -> tuple[Budget, list[str]]:
    said: list[str] = []
    confirm = (lambda question: answers.pop(0)) if answers is not None else None
    return Budget(PRICES, confirm_above, said.append, confirm), said


def test_a_small_sum_is_told_and_not_asked_for() -> None:
    spending, said = budget(1.0)
    spending.agree(Estimate(25.0))
    assert said == [
        "This will cost about $1.00 (25.0 minutes to index x $0.04, plus answers by length)."
    ]


def test_a_larger_sum_needs_a_yes() -> None:
    answers = [True, False]
    spending, _ = budget(1.0, answers)
    spending.agree(Estimate(26.0))
    with pytest.raises(
        SpendingRefused, match=r"about \$1\.08 .* above V13_CONFIRM_ABOVE=1, .*--yes"
    ):
        spending.agree(Estimate(27.0))
    assert answers == []


def test_nobody_to_ask_is_a_no() -> None:
    spending, _ = budget(1.0)
    with pytest.raises(SpendingRefused, match="nobody said yes"):
        spending.agree(Estimate(26.0))


def test_what_was_agreed_to_is_not_asked_for_again() -> None:
    spending, said = budget(0.0, [True])
    spending.agree(Estimate(26.0), Estimate(0.0, 10.0))
    spending.agree(Estimate(0.0, 10.3))
    assert len(said) == 1, "lengths are measured a little differently on the other side"


def test_what_is_spent_is_not_agreed_to_for_more() -> None:
    spending, said = budget(0.0, [True, True, False])
    spending.agree(Estimate(26.0), Estimate(0.0, 10.0))
    spending.agree(Estimate(26.0), Estimate(0.0, 20.0))
    spending.agree(Estimate(0.0, 20.0))
    with pytest.raises(SpendingRefused):
        spending.agree(Estimate(0.0, 20.0))
    assert len(said) == 3


def test_what_costs_nothing_is_not_spoken_of() -> None:
    spending, said = budget(0.0)
    spending.agree(Estimate())
    assert said == []
