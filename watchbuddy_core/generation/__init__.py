"""Thinking of things to say: what happens in a window, and lines for it."""
