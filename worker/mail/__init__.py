"""Sessions with mail servers, and pure code that reads and writes messages."""
