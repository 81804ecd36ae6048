"""A newcomer's walk: a client of some release, the README's line that installs, and the first day.

``python -m tests.walk`` takes the releases' names, or none for all. What each is made of is in
``sets/``; ``debian`` is the ``openstack`` of Debian's own packages.
"""
