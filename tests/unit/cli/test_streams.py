import argparse
import csv
import io
import json
import sys

import pytest
import wcwidth
import yaml
from cliff.formatters import commaseparated, json_format, table, yaml_format
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.cli import columns, outputs
from tests.unit.api.test_models import JSON
from tests.unit.conftest import Terminal

_NAMES = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4, unique=True)
_TABLES = _NAMES.flatmap(
    lambda names: st.tuples(
        st.just(names),
        st.lists(st.tuples(*[JSON] * len(names)), max_size=4),
    )
)


def emitted(formatter, names, rows, **options):
    stdout = io.StringIO()
    failed = ""
    try:
        formatter.emit_list(names, iter(rows), stdout, argparse.Namespace(**options))
    except csv.Error as error:
        # Python writes no row of one empty cell without quotes.
        failed = str(error)
    return stdout.getvalue(), failed


@given(_TABLES, st.booleans())
def test_json_is_what_cliff_writes(table, noindent):
    ours = emitted(outputs.StreamedJson(), *table, noindent=noindent)
    assert ours == emitted(json_format.JSONFormatter(), *table, noindent=noindent)


@given(_TABLES)
def test_yaml_is_what_cliff_writes(table):
    ours = emitted(outputs.StreamedYaml(), *table)
    assert ours == emitted(yaml_format.YAMLFormatter(), *table)


def test_yaml_of_several_blocks_is_what_cliff_writes():
    rows = [(number, {"a": [number]}) for number in range(2500)]
    ours = emitted(outputs.StreamedYaml(), ["N", "P"], rows)
    assert ours == emitted(yaml_format.YAMLFormatter(), ["N", "P"], rows)


@pytest.mark.parametrize("failure", [ValueError("gone"), OSError("gone"), KeyboardInterrupt()])
@pytest.mark.parametrize("count", [0, 1, 1000, 1001, 2500])
@pytest.mark.parametrize("noindent", [True, False])
@pytest.mark.parametrize("name", ["json", "yaml"])
def test_a_list_that_fails_is_a_whole_document(name, noindent, count, failure):
    def rows():
        yield from ((number,) for number in range(count))
        raise failure

    stdout = io.StringIO()
    with pytest.raises(type(failure)) as raised:
        outputs.FORMATTERS[name]().emit_list(
            ["N"], rows(), stdout, argparse.Namespace(noindent=noindent)
        )
    assert raised.value is failure
    read = json.loads if name == "json" else yaml.safe_load
    assert read(stdout.getvalue()) == [{"N": number} for number in range(count)]


@given(_TABLES, st.sampled_from(["all", "minimal", "nonnumeric", "none"]))
def test_csv_is_what_cliff_writes(table, quote_mode):
    ours = emitted(outputs.StreamedCsv(), *table, quote_mode=quote_mode)
    assert ours == emitted(commaseparated.CSVLister(), *table, quote_mode=quote_mode)


_FREE = {"max_width": 0, "fit_width": False, "print_empty": False}
# What has no width of its own hides in another way in each release of the library that measures it.
_CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(st.characters(exclude_categories=["C", "M", "Z"], max_codepoint=0xFFFF)),
)


@given(
    _NAMES.flatmap(
        lambda names: st.tuples(
            st.just([name.encode("unicode_escape").decode() for name in names]),
            st.lists(st.tuples(*[_CELLS] * len(names)), max_size=5),
        )
    )
)
def test_a_table_is_what_cliff_writes(names_and_rows):
    names, rows = names_and_rows
    rows = [tuple(map(columns.for_table, row)) for row in rows]
    ours = emitted(outputs.StreamedTable(), names, rows, **_FREE)
    assert ours == emitted(table.TableFormatter(), names, rows, **_FREE)


def test_a_long_table_is_what_cliff_writes():
    rows = [(number, "日本" * (number % 7), None, number % 2 == 0) for number in range(2500)]
    names = ["Number", "Wide", "Nothing", "Even"]
    ours = emitted(outputs.StreamedTable(), names, rows, **_FREE)
    assert ours == emitted(table.TableFormatter(), names, rows, **_FREE)
    assert ours[0].count("\n") == 2504


@pytest.mark.parametrize(
    "options", [{**_FREE, "max_width": 30}, {**_FREE, "max_width": 30, "fit_width": True}]
)
def test_a_table_of_a_chosen_width_is_cliffs_own(options):
    rows = [("word " * 10, 1), ("x", 2)]
    ours, _failed = emitted(outputs.StreamedTable(), ["Text", "Number"], rows, **options)
    assert ours == emitted(table.TableFormatter(), ["Text", "Number"], rows, **options)[0]
    assert max(map(len, ours.splitlines())) <= 30


def test_a_table_on_a_terminal_is_cliffs_own(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr("cliff.utils.terminal_width", lambda *_: 40)
    rows = [("word " * 20, 1)]
    made = []
    monkeypatch.setattr(outputs, "_frame", made.append)
    ours = emitted(outputs.StreamedTable(), ["Text", "Number"], rows, **_FREE)
    assert ours == emitted(table.TableFormatter(), ["Text", "Number"], rows, **_FREE)
    assert not made


@pytest.mark.parametrize("print_empty", [True, False])
def test_an_empty_table_is_what_cliff_writes(print_empty):
    options = {**_FREE, "print_empty": print_empty}
    ours = emitted(outputs.StreamedTable(), ["A", "B"], [], **options)
    assert ours == emitted(table.TableFormatter(), ["A", "B"], [], **options)


@pytest.mark.parametrize(
    ("formatter", "rows_at_once"), [(outputs.StreamedJson, 1000), (outputs.StreamedCsv, 1)]
)
def test_rows_leave_while_others_come(formatter, rows_at_once):
    stdout = io.StringIO()
    lengths = []

    def rows():
        for number in range(3 * rows_at_once):
            if number % rows_at_once == 0:
                lengths.append(len(stdout.getvalue()))
            yield (number,)

    formatter().emit_list(
        ["N"], rows(), stdout, argparse.Namespace(noindent=False, quote_mode="all")
    )
    assert lengths == sorted(set(lengths))


@pytest.mark.parametrize("before", [0, 1, 1000, 1001])
def test_what_came_before_an_error_is_written(before):
    stdout = io.StringIO()
    rows = ((1 // (before - number),) for number in range(before + 1))
    with pytest.raises(ZeroDivisionError):
        outputs.StreamedJson().emit_list(["N"], rows, stdout, argparse.Namespace(noindent=True))
    assert len(json.loads(stdout.getvalue())) == before


def test_long_json_is_what_cliff_writes():
    rows = [(number, f"%s {number}\n", {"a": [1, "\n"]}, None, 1.5) for number in range(2500)]
    for noindent in (True, False):
        ours = emitted(outputs.StreamedJson(), list("ab%cd"), rows, noindent=noindent)
        theirs = emitted(json_format.JSONFormatter(), list("ab%cd"), rows, noindent=noindent)
        assert ours == theirs


@pytest.mark.parametrize("formatter", outputs.FORMATTERS.values())
def test_options_are_those_of_cliff(formatter):
    parser = argparse.ArgumentParser()
    formatter().add_argument_group(parser)
    assert vars(parser.parse_args([])) == {}


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=5))
def test_lines_of_a_table_are_of_one_width(rows):
    cells = [tuple(map(columns.for_table, row)) for row in rows]
    written, _failed = emitted(outputs.StreamedTable(), ["A", "B"], cells, **_FREE)
    widths = {wcwidth.wcswidth(line) for line in written.split("\n")[:-1]}
    assert len(widths) == 1
    assert widths.pop() > 0
