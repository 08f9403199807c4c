"""Programs that are killed, their viewers, and the verdict on what they met.

See `tests/bench/crash.py` and `tests/bench/chaos.py`.
"""
