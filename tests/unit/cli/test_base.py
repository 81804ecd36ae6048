import argparse
import gc
import io
import logging
import os

import pytest

from osc_image_v1.cli import base, options
from osc_image_v1.exceptions import FileFailed, InvalidInput
from osc_image_v1.transfer import progress
from tests.unit.conftest import SORT_FAILS


def test_the_first_item_is_made_at_once():
    made = []

    def items():
        for number in range(3):
            made.append(number)
            yield number

    begun = base.started(items())
    assert made == [0]
    assert list(begun) == [0, 1, 2]
    assert list(base.started(iter(()))) == []


def test_an_error_at_once_comes_at_once():
    with pytest.raises(ZeroDivisionError):
        base.started(1 // number for number in (0, 1))


class Numbers(base.Lister):
    """A list of what it is given."""

    rows = ((1, "a"), (2, "b"))

    def take_action(self, parsed_args):
        return ("N", "T"), iter(self.rows)


class Number(base.ShowOne):
    """One thing."""

    def take_action(self, parsed_args):
        return ("N", "T"), (1, "\ud800")


def test_a_wrong_command_line_is_told_and_ends_with_2(shell, caplog):
    class Wrong(base.Command):
        """Refuses what it is told."""

        def take_action(self, parsed_args):
            with base.usage():
                raise InvalidInput("that and that do not go together")

    runner = Wrong(shell, None)
    assert runner.run(runner.get_parser("wrong").parse_args([])) == 2
    assert caplog.messages == ["that and that do not go together"]


@pytest.mark.parametrize("verbose", [0, 1])
@pytest.mark.parametrize("argv", [(), ("--progress",), ("--no-progress",)])
def test_bars_are_shown_as_it_is_wanted(shell, verbose, argv):
    class Busy(base.Command):
        """Shows a bar."""

        def add_options(self, parser):
            options.add_progress(parser)

        def take_action(self, parsed_args):
            seen.append(progress._choice.wanted)

    seen = []
    shell.options = argparse.Namespace(verbose_level=verbose)
    shell.run(Busy, *argv)
    wanted = {(): None, ("--progress",): True, ("--no-progress",): False}[argv]
    assert seen == [wanted if verbose else False]
    assert progress._choice.wanted is None


def test_a_parser_is_made_without_a_look_at_all_that_is_installed(shell, monkeypatch):
    """It takes cliff longer than a request."""
    looked = []
    monkeypatch.setattr("cliff.command._get_distribution_for_module", looked.append)
    parser = Numbers(shell, None).get_parser("numbers")
    assert parser.epilog.endswith("This command is provided by the osc-image-v1 plugin.")
    assert not looked


def test_columns_are_chosen(shell):
    assert shell.run(Numbers, "-f", "json", "--noindent", "-c", "T") == '[{"T": "a"}, {"T": "b"}]\n'
    assert shell.run(Numbers, "-f", "csv", "-c", "N") == '"N"\n1\n2\n'
    assert shell.run(Numbers, "-f", "value", "-c", "N") == "1\n2\n"
    assert shell.run(Numbers, "-f", "yaml", "-c", "N") == "- N: 1\n- N: 2\n"
    assert "| 1 | a |" in shell.run(Numbers)


def test_rows_are_sorted(shell):
    assert (
        shell.run(Numbers, "-f", "value", "--sort-column", "T", "--sort-descending") == "2 b\n1 a\n"
    )


@pytest.mark.skipif(SORT_FAILS, reason="this cliff fails on what it cannot sort")
def test_what_cannot_be_sorted_is_all_listed(shell, caplog):
    class Mixed(Numbers):
        """A list of what has no order."""

        rows = ((1, {}), (2, {"a": 1}), (3, "x"))

    listed = shell.run(Mixed, "-f", "json", "--noindent", "-c", "N", "--sort-column", "T")
    assert listed == '[{"N": 1}, {"N": 2}, {"N": 3}]\n'
    assert "Could not sort on field 'T'" in caplog.text


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(shell, enabled):
    during = []

    class Watching(Numbers):
        """A list that looks at the collector."""

        def take_action(self, parsed_args):
            return ("N",), ((during.append(gc.isenabled()),) for _ in range(2))

    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        shell.run(Watching, "-f", "csv")
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()
    assert during == [False, False]


def test_the_garbage_collector_comes_back_after_an_error(shell):
    class Failing(Numbers):
        """A list that fails on its way."""

        def take_action(self, parsed_args):
            return ("N",), ((1 // number,) for number in (1, 0))

    with pytest.raises(ZeroDivisionError):
        shell.run(Failing, "-f", "csv")
    assert gc.isenabled()
    assert shell.stdout.getvalue() == '"N"\n1\n'


@pytest.mark.parametrize("interactive", [True, False])
def test_what_is_frozen_is_so_for_one_command_of_an_interactive_shell(shell, interactive):
    during = []

    class Watching(Numbers):
        """A list that looks at what is frozen."""

        def take_action(self, parsed_args):
            return ("N",), ((during.append(gc.get_freeze_count()),) for _ in range(1))

    shell.interactive_mode = interactive
    gc.unfreeze()
    try:
        shell.run(Watching, "-f", "csv")
        assert during[0]
        assert bool(gc.get_freeze_count()) is not interactive
        gc.freeze()
        shell.run(Watching, "-f", "csv")
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_urllib3_is_quiet_about_headers_for_as_long_as_a_command_runs(shell):
    log = logging.getLogger("urllib3.connection")
    told = []

    class Watching(Numbers):
        """A list that looks at what is logged."""

        def take_action(self, parsed_args):
            texts = ("Failed to parse headers (url=%s)", "Connection pool is full")
            told.extend(bool(log.filter(logging.makeLogRecord({"msg": text}))) for text in texts)
            return ("N",), iter(())

    class Failing(Numbers):
        """A list that fails at once."""

        def take_action(self, parsed_args):
            return 1 // 0

    before = list(log.filters)
    shell.run(Watching)
    assert told == [False, True]
    assert log.filters == before
    with pytest.raises(ZeroDivisionError):
        shell.run(Failing)
    assert log.filters == before


@pytest.mark.parametrize("output_format", ["json", "yaml", "csv", "value", "table"])
def test_no_output_fails_on_what_it_cannot_encode(shell, output_format):
    class Odd(Numbers):
        """A list of odd text."""

        rows = ((1, "é\ud800"),)

    raw = io.BytesIO()
    stdout = io.TextIOWrapper(raw, "ascii", write_through=True)
    shell.stdout = stdout
    command = Odd(shell, None)
    assert command.run(command.get_parser("x").parse_args(["-f", output_format])) == 0
    one = Number(shell, None)
    assert (
        one.run(
            one.get_parser("x").parse_args(
                ["-f", output_format if output_format != "csv" else "shell"]
            )
        )
        == 0
    )
    stdout.flush()
    written = raw.getvalue().decode("ascii").lower()
    assert "\\ud800" in written
    assert "\\xe9" in written or "\\u00e9" in written


def test_an_output_of_another_kind_is_left_alone():
    base.survive_surrogates(io.StringIO())
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
    base.survive_surrogates(stream)
    assert stream.errors == "backslashreplace"


def test_a_pipe_that_nobody_reads():
    """Its error is one, and does not come back when the process ends."""
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError), os.fdopen(writer, "w") as stdout, base.written(stdout):
        stdout.write("text")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")  # noqa: PTH110
def test_an_output_on_a_full_disk():
    said = "Cannot write to standard output: No space left on device"
    with (
        open("/dev/full", "w") as stdout,  # noqa: PTH123 (what is left does not fail at its end)
        pytest.raises(FileFailed, match=said),
        base.written(stdout),
    ):
        stdout.write("text")


def test_no_output(shell, caplog):
    shell.stdout = None
    for kind in (Numbers, Number):
        command = kind(shell, None)
        assert command.run(command.get_parser("x").parse_args([])) == 2
    assert caplog.messages == ["Standard output is closed: nothing could be shown"] * 2


def test_an_output_without_a_descriptor_that_breaks():
    class Broken(io.StringIO):
        def flush(self):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError), base.written(Broken()):
        pass


@pytest.mark.parametrize(("level", "heard"), [(logging.WARNING, False), (logging.DEBUG, True)])
def test_no_text_is_made_for_a_log_that_no_handler_takes(shell, monkeypatch, caplog, level, heard):
    # As the shell does; its handlers decide.
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler(level)])
    names = ("osc_image_v1", "osc_image_v1.api.http", "urllib3.connectionpool")
    seen = []

    class Looking(Numbers):
        def take_action(self, parsed_args):
            seen.extend(logging.getLogger(name).isEnabledFor(logging.DEBUG) for name in names)
            seen.append(logging.getLogger("osc_image_v1").isEnabledFor(logging.WARNING))
            return super().take_action(parsed_args)

    shell.run(Looking)
    assert seen == [heard] * 3 + [True]
    assert all(logging.getLogger(name).isEnabledFor(logging.DEBUG) for name in names)
