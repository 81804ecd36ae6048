"""What the OpenStack command line asks of a plugin, and nothing else.

The shell imports this module, and every module of commands, each time it starts: they import
nothing that the shell has not loaded itself.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from osc_lib import exceptions, utils

from osc_image_v1.i18n import _
from osc_image_v1.text import printable

if TYPE_CHECKING:
    from osc_image_v1.api.image_v1 import ImageClient

# As "image" the shell would take this plugin for its own image client.
API_NAME = "image_v1"
API_VERSION_OPTION = "os_image_v1_api_version"
API_VERSIONS = ("1",)
DEFAULT_API_VERSION = "1"

# A day, in seconds.
_LONGEST_TIMEOUT = 86400


def check_api_version(version: str) -> bool:
    """Refuse every version but 1: the commands of any other do not exist.

    :param version: the version that the user asked for
    :returns: True, the version is checked
    :raises osc_lib.exceptions.CommandError: for another version
    """
    if version not in API_VERSIONS:
        raise exceptions.CommandError(
            _("%(option)s must be 1, not %(version)s: newer versions have 'openstack image'.")
            % {"option": "--os-image-v1-api-version", "version": version}
        )
    return True


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the plugin's global options to the shell's.

    :param parser: the shell's own parser
    :returns: the same parser
    """
    parser.add_argument(
        "--os-image-v1-api-version",
        metavar="<image-v1-api-version>",
        default=utils.env("OS_IMAGE_V1_API_VERSION"),
        help=_("Image API v1 version, only 1 is known (Env: OS_IMAGE_V1_API_VERSION)"),
    )
    parser.add_argument(
        "--os-image-v1-endpoint-override",
        metavar="<url>",
        default=utils.env("OS_IMAGE_V1_ENDPOINT_OVERRIDE"),
        help=_(
            "URL of the Image API v1, instead of the catalog's image service "
            "(Env: OS_IMAGE_V1_ENDPOINT_OVERRIDE)"
        ),
    )
    parser.add_argument(
        "--os-image-v1-timeout",
        metavar="<seconds>",
        type=_seconds,
        default=utils.env("OS_IMAGE_V1_TIMEOUT"),
        help=_(
            "Seconds without a byte after which a request of 'image v1' or 'compute image' is "
            "given up, default 60 (Env: OS_IMAGE_V1_TIMEOUT)"
        ),
    )
    return parser


def _seconds(text: str) -> str:
    """Check a number of seconds; openstacksdk takes it as text, and empty where it is not set."""
    try:
        right = not text or 0 < float(text) <= _LONGEST_TIMEOUT
    except ValueError:
        right = False
    if not right:
        raise argparse.ArgumentTypeError(
            _("'%(text)s' is no number of seconds, more than 0 and up to %(most)d")
            % {"text": printable(text), "most": _LONGEST_TIMEOUT}
        )
    return text


def make_client(instance: Any) -> ImageClient:
    """Return the Image v1 client; the shell calls this at the first use of ``image_v1``.

    :param instance: the shell's client manager
    """
    from osc_image_v1.cli import clients

    return clients.image_client(instance)
