"""A server that is killed, its viewers, and the verdict on what they met: see `../crash.py`."""
