"""Benchmarks: latency, memory and bytes of models and bundles, beside TF-IDF."""
