"""Why a run ends before it has results."""


class PipelineError(Exception):
    """The run cannot go on; the message says why and what to do."""
