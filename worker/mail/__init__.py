"""The wire and the message: sessions with mail servers, and pure code that reads and writes mail."""
