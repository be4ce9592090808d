"""The models that turn video into evidence; `engine.models.choice` says which ones to use."""
