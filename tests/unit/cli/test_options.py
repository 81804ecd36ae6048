import argparse
from datetime import datetime, timezone

import pytest

from osc_image_v1.cli import options

UUID = "6f162883-e770-47e5-ab99-9f672bc98fdf"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (options.count, "0", 0),
        (options.count, "9" * 18, 10**18 - 1),
        (options.page_size, "1", 1),
        (options.page_size, "1000", 1000),
        (options.size, "10G", 10 * 2**30),
        (options.time, "2026-11-22", datetime(2026, 11, 22, tzinfo=timezone.utc)),
        (options.sort, "size:desc,id", [("size", "desc"), ("id", "asc")]),
        (options.image_id, UUID, UUID),
        (options.server_id, f"http://nova/servers/{UUID}", UUID),
        (options.not_empty, " ", " "),
        (options.md5, "AB" * 16, "ab" * 16),
        (options.disk_format, "root-tar", "root-tar"),
        (options.checksum, "AB" * 16, "ab" * 16),
        (options.checksum, "AB" * 32, "ab" * 32),
    ],
)
def test_right_values(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (options.count, "", "'' is no whole number, 0 or more"),
        (options.count, "-1", "'-1' is no whole number"),
        (options.count, "1.5", "'1.5' is no whole number"),
        (options.count, "abc", "'abc' is no whole number"),
        (options.count, "9" * 19, "is no whole number"),
        (options.count, "٣", "'٣' is no whole number"),
        (options.count, "\x1b[2J", r"'\\x1b\[2J' is no whole number"),
        (options.page_size, "0", "0 is not from 1 to 1000"),
        (options.page_size, "1001", "1001 is not from 1 to 1000"),
        (options.size, "10Q", "'10Q' is no size"),
        (options.time, "soon", "'soon' is no time"),
        (options.sort, "owner", "sort key 'owner' is none of"),
        (options.image_id, "ubuntu", r"'ubuntu' is no image ID \(a UUID\)"),
        (options.server_id, "web1", "'web1' is no server ID"),
        (options.not_empty, "", "the value is empty"),
        (options.disk_format, "", "'' is no disk format"),
        (options.disk_format, "QCOW2", "'QCOW2' is no disk format"),
        (options.disk_format, "qcow2/bare", "is no disk format"),
        (options.disk_format, "qcow2 ", "is no disk format"),
        (options.md5, "ab", "'ab' is no MD5"),
        (options.md5, "ab" * 32, "is no MD5"),
        (options.checksum, "ab" * 24, "is no MD5"),
        (options.md5, "x" * 32, "is no MD5"),
    ],
)
def test_wrong_values_are_refused_in_one_line(kind, text, message):
    with pytest.raises(argparse.ArgumentTypeError, match=message) as caught:
        kind(text)
    assert len(str(caught.value).splitlines()) == 1


def test_flags_exclude_each_other(capsys):
    parser = argparse.ArgumentParser()
    options.add_flag_pair(parser, "protected", {"--on": (True, "x"), "--off": (False, "y")})
    assert parser.parse_args([]).protected is None
    assert parser.parse_args(["--on"]).protected is True
    assert parser.parse_args(["--off"]).protected is False
    with pytest.raises(SystemExit):
        parser.parse_args(["--on", "--off"])
    assert "not allowed with" in capsys.readouterr().err


def test_properties_may_be_repeated():
    parser = argparse.ArgumentParser()
    options.add_property(parser, "x")
    assert parser.parse_args([]).properties == {}
    assert parser.parse_args(["--property", "a=1", "--property", "b=c=d"]).properties == {
        "a": "1",
        "b": "c=d",
    }
