"""Names and properties of the real services, in what programs read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.functional.writing import FORMATS, Beside

EVIL = "$(touch run)`touch run`\"; touch run; ' \\ !x"


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_shell_runs_no_name(
    shell: str, cloud: Any, beside: Beside, openstack: Any, tmp_path: Path
) -> None:
    name = beside.name(EVIL)
    properties = ("--property", f"evil={EVIL}")
    openstack("image", "v1", "create", *FORMATS, *properties, name)
    scripts = {
        "create": ["image", "v1", "create", *FORMATS, *properties, name + "2"],
        "show": ["image", "v1", "show", name],
        "compute": ["compute", "image", "show", name],
    }
    for command, argv in scripts.items():
        start = [sys.executable, "-m", "openstackclient.shell", "--os-cloud", "admin"]
        script = 'set -e; eval "$("$@")"; printf %s "$i_name"'
        done = subprocess.run(
            [shell, "-c", script, shell, *start, *argv, "-f", "shell", "--prefix", "i_"],
            cwd=tmp_path,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.stderr == b""
        assert done.stdout.decode() == name + ("2" if command == "create" else "")
        assert list(tmp_path.iterdir()) == []
