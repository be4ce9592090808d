"""The models that turn frames, speech, screen text and prompts into vectors and text."""
