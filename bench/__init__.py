"""The benchmarks: `make bench` runs them and writes docs/benchmarks.md. Nothing here is part of the product."""
