"""From prompts and evidence to clips."""
