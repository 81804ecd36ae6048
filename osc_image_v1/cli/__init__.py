"""The commands: what people write, and what they see.

The shell imports these modules each time it starts: they import next to nothing.
"""
