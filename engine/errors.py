"""How the platform refuses a request: an error with the API's code and a message for the user."""

from __future__ import annotations

from collections.abc import Iterable


class PlatformError(Exception):
    """A refused request: `code` is one of the API's, `message` says how to repair the request."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def not_found(row_id: str, collection: str) -> PlatformError:
    """An unknown id, refused in the API's own words."""
    return PlatformError(
        "resource_not_exist", f"Resource with id {row_id} does not exist in {collection}."
    )


def outdated_evidence(code: str, index_name: str, kinds: Iterable[str]) -> PlatformError:
    """An index whose evidence of these kinds cannot be scored by the models in use."""
    return PlatformError(
        code,
        f"The evidence of index {index_name!r} ({', '.join(kinds)}) was made by other models than "
        "those in use, or has another format version: index its videos again, in a new index.",
    )
