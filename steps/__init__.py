"""The steps of a pipeline run, a file a step."""
