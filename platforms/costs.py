"""What a run on a platform that bills by the minute may cost: told before it is spent.

An estimate counts what can be known beforehand. What it leaves out: the length of the answers
(billed by tokens), an analysis that has to be asked again in parts, and what a plan includes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from platforms.errors import SpendingRefused

# A platform measures lengths a little differently from us: that is not worth a second question.
SLACK = 1.05


@dataclass(frozen=True)
class Estimate:
    """What will be billed: minutes of video to index, minutes times definitions, searches."""

    index_minutes: float = 0.0
    analysis_minutes: float = 0.0
    searches: int = 0

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(
            self.index_minutes + other.index_minutes,
            self.analysis_minutes + other.analysis_minutes,
            self.searches + other.searches,
        )


NOTHING = Estimate()


@dataclass(frozen=True)
class Prices:
    """US dollars for a minute to index, a minute to analyse by one definition, a search."""

    index_minute: float
    analysis_minute: float
    search: float

    def cost(self, estimate: Estimate) -> float:
        """US dollars for all of an estimate."""
        return (
            estimate.index_minutes * self.index_minute
            + estimate.analysis_minutes * self.analysis_minute
            + estimate.searches * self.search
        )

    def in_words(self, estimate: Estimate) -> str:
        """An estimate as a sum that can be checked."""
        parts = [
            f"{amount:.1f} {what} x ${price:g}"
            for amount, what, price in (
                (estimate.index_minutes, "minutes to index", self.index_minute),
                (estimate.analysis_minutes, "minutes x classes to analyse", self.analysis_minute),
            )
            if amount
        ]
        if estimate.searches:
            parts.append(f"{estimate.searches} searches x ${self.search:g}")
        return f"about ${self.cost(estimate):.2f} ({' + '.join(parts)}, plus answers by length)"


class Budget:
    """Tells every estimate, and asks where one is above `confirm_above` US dollars.

    What was agreed to for later is not asked for again when it is due. `confirm` asks a person,
    and is None where there is none to ask.
    """

    def __init__(
        self,
        prices: Prices,
        confirm_above: float,
        say: Callable[[str], None],
        confirm: Callable[[str], bool] | None = None,
    ) -> None:
        self._prices = prices
        self._confirm_above = confirm_above
        self._say = say
        self._confirm = confirm
        self._agreed = 0.0
        self._lock = threading.Lock()

    def agree(self, now: Estimate, later: Estimate = NOTHING) -> None:
        """Return where `now` may be spent at once and `later` when it is agreed to as `now`.

        Raises SpendingRefused where it may not.
        """
        both = now + later
        with self._lock:
            if self._prices.cost(both) > self._agreed * SLACK:
                self._ask(both)
                self._agreed = self._prices.cost(both)
            self._agreed = max(self._agreed - self._prices.cost(now), 0.0)

    def _ask(self, estimate: Estimate) -> None:
        cost, words = self._prices.cost(estimate), self._prices.in_words(estimate)
        self._say(f"This will cost {words}.")
        if cost > self._confirm_above and not (self._confirm and self._confirm("Go on?")):
            raise SpendingRefused(
                f"it would cost {words}, above V13_CONFIRM_ABOVE={self._confirm_above:g}, and"
                " nobody said yes: raise that setting, or run pipeline.py with --yes"
            )
