"""Help that ends in examples."""

from __future__ import annotations

import argparse
from typing import Any

from osc_lib.command import command

from osc_image_v1.i18n import _

_INDENT = "    "


def examples(*lines: str) -> str:
    """Return the end of a command's help.

    It is reStructuredText, of which the reference of all commands is made.

    :param lines: what a person would type
    """
    return "\n\n".join((_("Examples") + "::", "\n".join(_INDENT + line for line in lines)))


def _keeping_lines(formatter: Any) -> Any:
    class KeepingLines(formatter):
        """Wraps paragraphs, and leaves lines alone that are indented."""

        def _fill_text(self, text: str, width: int, indent: str) -> str:
            return "\n\n".join(
                part
                if part.startswith(_INDENT)
                else super(KeepingLines, self)._fill_text(
                    part.removesuffix("::") + ":" if part.endswith("::") else part, width, indent
                )
                for part in text.split("\n\n")
            )

    return KeepingLines


class Helped(command.Command):
    """A command whose help may have examples."""

    def get_epilog(self) -> str:
        """Return the end of the command's help."""
        # cliff would look for the plugin's name in the metadata of all that is installed, each time
        # a command runs: that takes longer than a request.
        hooked = (hook.obj.get_epilog() for hook in self._hooks if hook.obj is not None)
        provided = _("This command is provided by the osc-image-v1 plugin.")
        return "\n\n".join((self._epilog or "", *filter(None, hooked), provided))

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the command's parser."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.formatter_class = _keeping_lines(parser.formatter_class)
        return parser
