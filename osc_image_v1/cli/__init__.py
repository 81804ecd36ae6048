"""The commands.

The shell imports these modules each time it starts: they import next to nothing.
"""
