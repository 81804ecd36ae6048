"""Print the tables of doc/source/reference/faults.rst."""

from tests.faults.tables import tables

print(tables())
