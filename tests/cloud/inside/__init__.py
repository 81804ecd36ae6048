"""Programs that run inside the cloud's own environments, never in the tests' one.

They are started by path (``<environment>/bin/python .../inside/glance15.py api``), so that this
folder is what they import each other from, and they lean on nothing of ``tests.cloud``.
"""
