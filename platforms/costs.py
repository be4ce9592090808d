"""What a run may cost on a platform that bills by the minute; said before anything is spent.

An estimate counts what is known beforehand. It leaves out the length of responses (billed by
tokens), analyses that have to be repeated in parts, and what a plan includes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from platforms.errors import SpendingRefused

# A platform measures lengths a little differently from us: too little to be confirmed again.
SLACK = 1.05


@dataclass(frozen=True)
class Estimate:
    """What will be billed: minutes to index, minutes times classes to analyse, and searches."""

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
    """US dollars for indexing a minute, for analysing a minute by one class, and for a search."""

    index_minute: float
    analysis_minute: float
    search: float

    def cost(self, estimate: Estimate) -> float:
        """The US dollars of an estimate."""
        return (
            estimate.index_minutes * self.index_minute
            + estimate.analysis_minutes * self.analysis_minute
            + estimate.searches * self.search
        )

    def in_words(self, estimate: Estimate) -> str:
        """An estimate as a sum that the user can check."""
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
        return f"about ${self.cost(estimate):.2f} ({' + '.join(parts)}, plus responses by length)"


class Budget:
    """Says what something will cost, and has it confirmed above `confirm_above` US dollars.

    What was confirmed for later is not confirmed again when it is due. `confirm` asks a person; it
    is None if there is none to ask.
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
        """Return if `now` may be spent at once, and `later` once it is passed as `now`.

        Raises SpendingRefused otherwise.
        """
        both = now + later
        with self._lock:
            if self._prices.cost(both) > self._agreed * SLACK:
                self._confirm_costs(both)
                self._agreed = self._prices.cost(both)
            self._agreed = max(self._agreed - self._prices.cost(now), 0.0)

    def _confirm_costs(self, estimate: Estimate) -> None:
        cost, words = self._prices.cost(estimate), self._prices.in_words(estimate)
        self._say(f"This will cost {words}.")
        if cost > self._confirm_above and not (self._confirm and self._confirm("Continue?")):
            raise SpendingRefused(
                f"it would cost {words}, which is above V13_CONFIRM_ABOVE={self._confirm_above:g}"
                " and was not confirmed: raise that setting, or run pipeline.py with --yes"
            )
