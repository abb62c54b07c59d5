"""The benchmark: `make bench` measures and writes docs/performance.md."""
