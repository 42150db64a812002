"""The queues that are compared: ours and its peers, each in a process of its own, all asked the same things.

base.py is a queue as the benchmark sees it; harness.py is the inside of its processes. A file a queue besides.
"""
