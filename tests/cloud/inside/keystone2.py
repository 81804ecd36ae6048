"""Keystone 12 on Python 2.7: ``keystone2.py manage WORDS...``, or ``public`` or ``admin`` PORT.

For that Python's sake there is no annotation here, nor anything else that is younger.
"""

import importlib
import os
import site
import sys

# Packages that share a name, like Paste and PasteDeploy, are found only so.
site.addsitedir(os.environ["PYTHONPATH"])
# Neighbours of this file are made for another Python.
del sys.path[0]

what = sys.argv[1]
del sys.argv[1]

if what == "manage":
    importlib.import_module("keystone.cmd.manage").main()
else:
    port = int(sys.argv[1])
    # Keystone reads them itself.
    del sys.argv[1:]
    wsgi = importlib.import_module("keystone.server.wsgi")
    application = getattr(wsgi, "initialize_{}_application".format(what))()  # noqa: UP032
    waitress = importlib.import_module("waitress")
    waitress.serve(application, host="127.0.0.1", port=port, threads=4, ident=None)
