"""HTTP below the client: sessions, retries, pages, errors, multipart bodies."""
