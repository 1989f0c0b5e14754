"""Measurements that anyone can repeat: ``.venv/bin/python -m benchmarks.<name> [--json]``.

Each compares us with a named peer or floor, in one run, interleaved. They are not tests: nothing fails by being slow here.
"""
