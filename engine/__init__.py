"""The embedded platform: the withdrawn video API on your own machine, with open models."""
