"""The child processes, each a Java machine with one service; nothing else imports this package."""
