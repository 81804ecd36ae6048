"""What may import what, and what the shell's start may load."""

import ast
import configparser
import importlib
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import osc_image_v1

ROOT = Path(osc_image_v1.__file__).parent
MODULES = {
    ".".join(("osc_image_v1", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in sorted(ROOT.rglob("*.py"))
}
STEPS = "cli report migrate archive transfer api".split()
LAYERS = [f"osc_image_v1.{step}" for step in STEPS]
GROUND = {"osc_image_v1.exceptions", "osc_image_v1.text", "osc_image_v1.i18n"}
# What each layer may import from outside, beside the standard library.
OUTSIDE = {
    "osc_image_v1.api": {"keystoneauth1", "requests", "urllib3", "dateutil"},
    "osc_image_v1.transfer": {"keystoneauth1", "requests", "tqdm"},
    # The template library is an extra.
    "osc_image_v1.report": {"jinja2"},
    **{f"osc_image_v1.{step}": set() for step in ("migrate", "archive")},
}
PURE = {
    "errors",
    "fields",
    "filters",
    "models",
    "paging",
    "queries",
    "records",
}


def imports(path):
    """Yield each module that a module imports, for types or late alike."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module


def within(name, layer):
    return name == layer or name.startswith(layer + ".")


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_down(name):
    layer = next((number for number, layer in enumerate(LAYERS) if within(name, layer)), None)
    for imported in imports(MODULES[name]):
        if not within(imported, "osc_image_v1") or imported == "osc_image_v1":
            continue
        if name in GROUND:
            assert imported in GROUND, f"{name} imports {imported}"
        elif layer is not None:
            below = (*LAYERS[layer:], *GROUND)
            assert any(within(imported, home) for home in below), f"{name} imports {imported}"


@pytest.mark.parametrize(("layer", "allowed"), OUTSIDE.items())
def test_layers_know_only_what_they_need(layer, allowed):
    for name, path in MODULES.items():
        if within(name, layer):
            outside = {imported.partition(".")[0] for imported in imports(path)} - {"osc_image_v1"}
            assert outside - set(sys.stdlib_module_names) <= allowed, name


def test_nothing_below_the_commands_knows_arguments():
    for name, path in MODULES.items():
        if any(within(name, layer) for layer in LAYERS[1:]):
            assert not {"argparse", "cliff", "osc_lib"} & {
                n.partition(".")[0] for n in imports(path)
            }, name


@pytest.mark.parametrize("module", sorted(PURE))
def test_pure_modules_import_nothing_but_dateutil(module):
    allowed = {f"osc_image_v1.api.{other}" for other in PURE} | GROUND - {"osc_image_v1.i18n"}
    for imported in imports(MODULES[f"osc_image_v1.api.{module}"]):
        top = imported.partition(".")[0]
        assert imported in allowed or top in sys.stdlib_module_names or top == "dateutil", imported


# Rooms that a reader keeps in the head, docstrings counted

MOST_LINES = {"module": 600, "class": 500, "function": 55}
MOST_MODULES = 18


def sizes(name, path):
    """Yield what a module has, with its kind and its lines."""
    text = path.read_text()
    yield name, "module", len(text.splitlines())

    def inside(node, at):
        for child in ast.iter_child_nodes(node):
            named = isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
            where = f"{at}.{child.name}" if named else at
            if named:
                kind = "class" if isinstance(child, ast.ClassDef) else "function"
                yield where, kind, child.end_lineno - child.lineno + 1
            yield from inside(child, where)

    yield from inside(ast.parse(text), name)


@pytest.mark.parametrize("name", MODULES)
def test_a_page_is_no_longer_than_can_be_read(name):
    for what, kind, lines in sizes(name, MODULES[name]):
        assert lines <= MOST_LINES[kind], f"{what}: {lines} lines of a {kind}"


@pytest.mark.parametrize("layer", LAYERS)
def test_a_folder_is_seen_at_a_glance(layer):
    modules = [name for name in MODULES if name.startswith(layer + ".")]
    assert len(modules) <= MOST_MODULES, f"{layer}: {len(modules)} modules"


# The shell's start


def test_what_is_installed_is_what_is_declared():
    declared = configparser.ConfigParser()
    declared.read(ROOT.parent / "setup.cfg")
    group = "openstack.image_v1.v1"
    lines = declared["entry_points"][group].strip().splitlines()
    installed = [f"{point.name} = {point.value}" for point in metadata.entry_points(group=group)]
    assert sorted(installed) == sorted(lines), "install the package again: pip install -e ."


START = """
import json, sys
import cliff.app, cliff.lister, cliff.show
import osc_lib.command.command, osc_lib.cli.parseractions, osc_lib.utils
before = set(sys.modules)
from importlib import metadata
points = [*metadata.entry_points(group="openstack.image_v1.v1")]
points += metadata.entry_points(group="openstack.cli.extension", name="image_v1")
for point in points:
    point.load()
print(json.dumps([[point.value for point in points], sorted(set(sys.modules) - before)]))
"""


def test_the_start_of_the_shell_loads_next_to_nothing():
    result = subprocess.run(
        [sys.executable, "-c", START], capture_output=True, text=True, check=True
    )
    points, loaded = json.loads(result.stdout)
    assert "osc_image_v1.cli.image:ListImage" in points
    assert "osc_image_v1.plugin" in points
    heavy = {
        "requests",
        "dateutil",
        "openstack",
        "keystoneauth1",
        "urllib3",
        "dataclasses",
        "tqdm",
        "yaml",
    }
    assert not {name.partition(".")[0] for name in loaded} & heavy
    assert not [name for name in loaded if any(within(name, layer) for layer in LAYERS[1:])]


def test_each_command_has_a_class_with_words():
    points = metadata.entry_points(group="openstack.image_v1.v1")
    assert len(points) >= 4
    for point in points:
        command = point.load()
        assert command.__module__.startswith("osc_image_v1.cli.")
        assert str(command._description).strip(), point.name
        # A logger for each class takes its time at each start.
        assert command.log.name == command.__module__


def test_each_module_imports_alone():
    for name in MODULES:
        assert importlib.import_module(name).__doc__, name


def literals(node):
    """Yield the texts that a call says to a person without marking them for translation."""
    said = ast.unparse(node.func)
    if re.search(r"(Error|Input|Stopped|Failed)$", said) or said.startswith("LOG.w"):
        yield from node.args[:1]
    if said.startswith("options.add_"):
        yield from node.args
    yield from (keyword.value for keyword in node.keywords if keyword.arg in ("help", "title"))


@pytest.mark.parametrize("name", [name for name in MODULES if "cli" in name or "plugin" in name])
def test_what_the_shell_says_is_marked_for_translation(name):
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        for text in literals(node) if isinstance(node, ast.Call) else ():
            plain = isinstance(text, ast.Constant) and " " in str(text.value)
            assert not plain, f"{name}:{text.lineno}: {ast.unparse(text)}"
            assert not isinstance(text, ast.JoinedStr), f"{name}:{text.lineno}"
