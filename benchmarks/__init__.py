"""Figures, never pass or fail: `make bench` runs these, docs/performance.md quotes them."""
