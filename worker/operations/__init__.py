"""The operations: a request in, an answer out."""
