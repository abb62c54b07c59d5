"""What crosses the border: the variables of each operation and its result."""
