"""From an uploaded file to evidence."""
