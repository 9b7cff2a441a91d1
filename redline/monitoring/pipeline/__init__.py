"""What happens to a vendor page between its URL and somebody's inbox: fetch, diff, reason, classify, route, publish.

Every module here is sync and knows no model: values in, values out; clocks, pauses and permissions are arguments.
"""
