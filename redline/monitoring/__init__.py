"""The heart of Redline: vendors are watched, changes detected, actions delivered."""
