"""Run several commands of one ``*-manage`` program after importing it only once.

``commands.py MODULE CONFIG_FILE COMMAND...``, each command one argument (``"db sync"``). The
programs parse ``sys.argv`` into globals, so each command has a forked child to itself; the imports,
which are what takes the time, are shared.
"""

from __future__ import annotations

import importlib
import os
import shlex
import sys
from pathlib import Path


def main(module: str, config: str, *commands: str) -> None:
    """Run the commands in their order; the first that fails ends it all."""
    program = sys.argv[0] = module.split(".")[0] + "-manage"
    sys.argv[1:] = []
    imported = importlib.import_module(module)
    for command in commands:
        print(f"--- {program} {command}", flush=True)
        child = os.fork()
        if not child:
            # Both are said, or else those in /etc would be read as well.
            options = ["--config-file", config, "--config-dir", str(Path(config).parent)]
            sys.argv[1:] = [*options, *shlex.split(command)]
            sys.exit(imported.main())
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            sys.exit(f"{program} {command} ended with {status}")


if __name__ == "__main__":
    main(*sys.argv[1:])
