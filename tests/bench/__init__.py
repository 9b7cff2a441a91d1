"""Measurements: run by hand, printed as ratios of one run, never asserted in milliseconds."""
