import argparse

import pytest
from osc_lib.exceptions import CommandError

from osc_image_v1 import plugin
from osc_image_v1.i18n import _


def test_what_the_shell_looks_for():
    # As "image" it would be taken for the shell's own image client.
    assert plugin.API_NAME == "image_v1"
    assert plugin.API_VERSION_OPTION == "os_image_v1_api_version"
    assert plugin.DEFAULT_API_VERSION in plugin.API_VERSIONS
    assert isinstance(plugin.API_VERSIONS, tuple)


def test_version_1_is_right():
    assert plugin.check_api_version("1") is True


@pytest.mark.parametrize("version", ["2", "1.0", "", "latest"])
def test_other_versions_are_refused(version):
    with pytest.raises(CommandError, match=f"must be 1, not {version}: newer versions have"):
        plugin.check_api_version(version)


def test_options_of_the_shell(monkeypatch):
    for name in ("API_VERSION", "ENDPOINT_OVERRIDE", "TIMEOUT"):
        monkeypatch.delenv(f"OS_IMAGE_V1_{name}", raising=False)
    parser = argparse.ArgumentParser()
    assert plugin.build_option_parser(parser) is parser
    options = vars(parser.parse_args([]))
    assert sorted(options) == [
        "os_image_v1_api_version",
        "os_image_v1_endpoint_override",
        "os_image_v1_timeout",
    ]
    assert not any(options.values())
    options = parser.parse_args(
        ["--os-image-v1-endpoint-override", "http://x", "--os-image-v1-timeout=5"]
    )
    assert options.os_image_v1_endpoint_override == "http://x"
    assert options.os_image_v1_timeout == "5"


def test_the_environment_has_the_same_options(monkeypatch):
    monkeypatch.setenv("OS_IMAGE_V1_API_VERSION", "1")
    monkeypatch.setenv("OS_IMAGE_V1_ENDPOINT_OVERRIDE", "http://x")
    monkeypatch.setenv("OS_IMAGE_V1_TIMEOUT", "5")
    options = plugin.build_option_parser(argparse.ArgumentParser()).parse_args([])
    assert vars(options) == {
        "os_image_v1_api_version": "1",
        "os_image_v1_endpoint_override": "http://x",
        "os_image_v1_timeout": "5",
    }


def test_messages_are_text():
    assert _("words") == "words"


@pytest.mark.parametrize("text", ["abc", "0", "-1", "nan", "inf", "86401", "\x1b"])
def test_time_outs_that_are_none_are_refused_with_the_option(text, capsys):
    parser = plugin.build_option_parser(argparse.ArgumentParser())
    with pytest.raises(SystemExit):
        parser.parse_args([f"--os-image-v1-timeout={text}"])
    line = capsys.readouterr().err.splitlines()[-1]
    assert "argument --os-image-v1-timeout: " in line
    assert line.isprintable()


@pytest.mark.parametrize("text", ["", "0.5", "60", "86400"])
def test_time_outs(text):
    parser = plugin.build_option_parser(argparse.ArgumentParser())
    assert parser.parse_args([f"--os-image-v1-timeout={text}"]).os_image_v1_timeout == text
