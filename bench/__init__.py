"""The benchmark: `make bench` measures, writes docs/performance.md and the numbers beside it."""
