"""``-f shell``: what a shell makes of it when it runs it."""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.cli import columns, outputs
from osc_image_v1.cli.compute_image import ShowComputeImage
from osc_image_v1.cli.image import ShowImage
from tests.unit.conftest import COMPUTE_URL, IMAGE_URL, detail

SHELLS = [shell for shell in ("sh", "bash", "dash", "ksh", "zsh") if shutil.which(shell)]

HOSTILE = [
    "$(touch run)",
    "`touch run`",
    '"; touch run; "',
    "'; touch run; '",
    "\\$(touch run)",
    '\\"; touch run; \\"',
    "\\",
    "$HOME ${HOME} $$",
    "a\nb; touch run\n",
    "\ttab and space  ",
    "!touch !! !$",
    "é 表 ソ 🐧",
    "-n",
    "a=b c*",
    "%s\\n\\0",
    "",
]


def written(names: list[str], values: list[Any], prefix: str = "", only: Any = ()) -> str:
    stdout = io.StringIO()
    args = argparse.Namespace(prefix=prefix, variables=list(only))
    outputs.ShellVariables().emit_one(names, values, stdout, args)
    return stdout.getvalue()


def run_by(shell: str, text: str, folder: Path, *names: str) -> list[str]:
    """What variables hold after ``eval "$(openstack ...)"``; nothing else may happen."""
    (folder / "output").write_bytes(text.encode())
    script = 'eval "$(cat output)"\n' + "".join(f'printf "%s\\0" "${name}"\n' for name in names)
    done = subprocess.run(
        [shell, "-c", script], cwd=folder, capture_output=True, check=False, timeout=20
    )
    assert not done.stderr
    assert done.returncode == 0
    assert [path.name for path in folder.iterdir()] == ["output"]
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("text", HOSTILE)
def test_a_shell_gets_exactly_the_text(shell: str, text: str, tmp_path: Path) -> None:
    lines = written(["name", "end"], [text, "end"])
    assert run_by(shell, lines, tmp_path, "name", "end") == [text, "end"]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", [text for text in HOSTILE if text] + ["a-b:c", "1st", "x=$(id)"])
def test_no_name_is_run(shell: str, name: str, tmp_path: Path) -> None:
    variable = outputs.variable_name(name)
    assert re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", variable)
    if variable != "_":
        assert run_by(shell, written([name], ["v"]), tmp_path, variable) == ["v"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_any_text(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    names = [f"v{number}" for number in range(len(texts))]
    folder = tmp_path_factory.mktemp("any")
    assert run_by("sh", written(names, texts), folder, *names) == texts


@given(st.text(), st.text(max_size=5))
def test_any_name(name: str, prefix: str) -> None:
    assert re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", outputs.variable_name(name, prefix))


def test_harmless_values_look_as_ever() -> None:
    names, values = ["Min Disk", "a:b-c", "owner"], [5, "it's 10% of x", None]
    lines = 'p_min_disk="5"\np_a_b_c="it\'s 10% of x"\np_owner="None"\n'
    assert written(names, values, "p_") == lines
    assert written(names, values, only=["min_disk"]) == 'min_disk="5"\n'


def test_a_field_that_is_not_known_takes_no_known_ones_place() -> None:
    assert written(["status", "Status"], ["active", "killed"]) == 'status="active"\n'


def test_what_no_variable_can_hold_is_shown() -> None:
    assert written(["name"], ["a\0b"]) == "name='a\\x00b'\n"


@pytest.mark.parametrize("shell_name", SHELLS)
def test_images_are_shown_so(
    shell_name: str, shell: Any, compute_shell: Any, requests_mock: Any, tmp_path: Path
) -> None:
    evil = "$(touch run)`touch run`\"; touch run; '\\"
    record = detail(1, name=evil, properties={evil: evil}, **{evil: evil, "x;touch run;": 1})
    requests_mock.get(IMAGE_URL + "/v1/images/detail", json={"images": [record]})
    lines = shell.run(ShowImage, evil, "-f", "shell")
    ran = run_by(shell_name, lines, tmp_path, "name", "properties", "x_touch_run_")
    assert ran == [evil, columns.as_json({evil: evil}), "1"]
    image = {"id": "7", "name": evil, "metadata": {evil: evil}, "status": "ACTIVE", evil: evil}
    requests_mock.get(COMPUTE_URL + "/images/7", json={"image": image})
    lines = compute_shell.run(ShowComputeImage, "7", "-f", "shell")
    ran = run_by(shell_name, lines, tmp_path, "name", "properties")
    assert ran == [evil, columns.as_json({evil: evil})]


def test_names_of_fields_drive_no_terminal(shell: Any, requests_mock: Any) -> None:
    record = detail(1, name="a", **{"x\x1b[2J": 1})
    requests_mock.get(IMAGE_URL + "/v1/images/detail", json={"images": [record]})
    shown = shell.run(ShowImage, "a")
    assert "\x1b" not in shown
    assert "x\\x1b[2J" in shown
