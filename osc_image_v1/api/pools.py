"""How many connections a session keeps for a service."""

from __future__ import annotations

import requests
from keystoneauth1 import session as ksa_session


def keep_connections(session: ksa_session.Session, number: int) -> None:
    """Make a session keep more idle connections to each service, for work done at a time.

    A session keeps ten by default; what is over that is closed after each request, and urllib3
    warns of it. Adapters that others have mounted stay, with all that they do, and a pool that is
    large enough or waits for its turn is left alone.

    The commands do this to the shell's session. Whoever brings a session of their own decides.

    :param session: the session; before it is used by several threads
    :param number: how many connections are to be kept
    """
    for adapter in {id(one): one for one in session.session.adapters.values()}.values():
        if not isinstance(adapter, requests.adapters.HTTPAdapter):
            continue
        settings = adapter.poolmanager.connection_pool_kw
        if settings.get("block") or settings.get("maxsize", 0) >= number:
            continue
        # Its pools have the size that they were made with.
        adapter.close()
        adapter.proxy_manager.clear()
        adapter.init_poolmanager(requests.adapters.DEFAULT_POOLSIZE, number)
