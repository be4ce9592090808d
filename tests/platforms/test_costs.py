"""Estimates: what is counted, when it has to be confirmed, and what is not confirmed twice."""

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


def budget(confirm_above: float, replies: list[bool] | None = None) -> tuple[Budget, list[str]]:
    said: list[str] = []
    confirm = (lambda question: replies.pop(0)) if replies is not None else None
    return Budget(PRICES, confirm_above, said.append, confirm), said


def test_a_small_sum_is_said_and_needs_no_confirmation() -> None:
    spending, said = budget(1.0)
    spending.agree(Estimate(25.0))
    assert said == [
        "This will cost about $1.00 (25.0 minutes to index x $0.04, plus responses by length)."
    ]


def test_a_larger_sum_has_to_be_confirmed() -> None:
    replies = [True, False]
    spending, _ = budget(1.0, replies)
    spending.agree(Estimate(26.0))
    with pytest.raises(
        SpendingRefused, match=r"about \$1\.08 .* above V13_CONFIRM_ABOVE=1 .*--yes"
    ):
        spending.agree(Estimate(27.0))
    assert replies == []


def test_without_anybody_to_ask_nothing_is_confirmed() -> None:
    spending, _ = budget(1.0)
    with pytest.raises(SpendingRefused, match="was not confirmed"):
        spending.agree(Estimate(26.0))


def test_what_was_confirmed_is_not_confirmed_again() -> None:
    spending, said = budget(0.0, [True])
    spending.agree(Estimate(26.0), Estimate(0.0, 10.0))
    spending.agree(Estimate(0.0, 10.3))
    assert len(said) == 1, "lengths are measured a little differently on the other side"


def test_what_was_spent_confirms_nothing_more() -> None:
    spending, said = budget(0.0, [True, True, False])
    spending.agree(Estimate(26.0), Estimate(0.0, 10.0))
    spending.agree(Estimate(26.0), Estimate(0.0, 20.0))
    spending.agree(Estimate(0.0, 20.0))
    with pytest.raises(SpendingRefused):
        spending.agree(Estimate(0.0, 20.0))
    assert len(said) == 3


def test_what_costs_nothing_is_not_mentioned() -> None:
    spending, said = budget(0.0)
    spending.agree(Estimate())
    assert said == []
