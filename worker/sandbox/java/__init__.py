"""The child processes, each a Java machine with one service; nothing outside imports this room."""
