"""SMTP: the connection, signing in, and handing a message over."""
