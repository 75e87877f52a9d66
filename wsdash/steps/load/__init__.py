"""A load on the API: a `ladder` of concurrent clients, and the benchmarks made of it."""
