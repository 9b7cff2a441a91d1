"""Redline watches a company's vendors and tells the people who must act, as it happens."""
