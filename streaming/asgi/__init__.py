"""The async part: one process's hub of orgs and sessions, and the consumers that open them.

Everything here runs on one event loop. It meets the sync part in two places: `bridge.py`, by which it asks the
database, and the sequencer's listener, by which it hears what this process itself has committed.
"""
