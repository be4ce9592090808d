"""Why a run ends before it has results."""

from core.errors import UserError


class PipelineError(UserError):
    """The run cannot go on; the message says why and what to do."""
