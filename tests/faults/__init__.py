"""The fault laboratory: real processes that are killed, frozen and restored, and one checker. See `__main__`."""
