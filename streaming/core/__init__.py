"""The pure part: values and rules without Django, Channels, an event loop, a clock or randomness.

Whatever needs one of those gets it as an argument. If a test of this folder needs an event loop, the code is in
the wrong folder.
"""
