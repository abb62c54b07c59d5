"""The message without any wire: read, composed, ordered and cut to size."""
