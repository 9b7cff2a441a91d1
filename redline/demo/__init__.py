"""Redline on one machine with nothing to set up: fictional vendors whose pages really change, and somebody who acts.

Everything that the demo shows has happened: pages are fetched over HTTP, compared, judged and routed by the product's
own code. Only the vendors are made up. Nothing outside this package knows of it.
"""
