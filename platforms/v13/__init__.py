"""The Twelve Labs API v1.3 behind the calls of `TwelveLabsClient`."""
