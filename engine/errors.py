"""How the platform refuses: one error with the API's code and words that say what to repair."""

from __future__ import annotations

from collections.abc import Iterable


class PlatformError(Exception):
    """A request that is refused: `code` is the API's, the message says what to repair."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def not_there(row_id: str, collection: str) -> PlatformError:
    """The refusal of an id that nothing has, in the API's own words."""
    return PlatformError(
        "resource_not_exist", f"Resource with id {row_id} does not exist in {collection}."
    )


def made_elsewhere(code: str, index_name: str, kinds: Iterable[str]) -> PlatformError:
    """The refusal of an index with evidence, of these kinds, that is not this engine's own."""
    return PlatformError(
        code,
        "Other models than those in use, or another edition of the engine, made the evidence of "
        f"index {index_name!r} ({', '.join(kinds)}): index its videos again, in a new index.",
    )
