"""Commands on the data of images of the Image API v1."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from osc_image_v1.cli import base, options
from osc_image_v1.i18n import _

LOG = logging.getLogger(__name__)


class SaveImage(base.Command):
    _description = _(
        "Save an image's data to a file or to standard output. Size and MD5 are checked; the file "
        "appears under its name only when both are right."
    )
    _epilog = base.examples(
        "openstack image v1 save --file ubuntu.qcow2 --keep-partial ubuntu",
        "openstack image v1 save ubuntu | gzip > ubuntu.qcow2.gz",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        parser.add_argument(
            "--file",
            metavar="<path>",
            type=options.not_empty,
            help=_("File to save to (default: standard output, unless that is a terminal)"),
        )
        parser.add_argument(
            "--keep-partial",
            action="store_true",
            help=_(
                "Keep what came as <path>.osc-image-v1.part when the download fails; the next one "
                "goes on from there"
            ),
        )
        parser.add_argument(
            "--no-clobber", action="store_true", help=_("Refuse to replace an existing file")
        )
        options.add_rate(parser)
        options.add_no_sparse(parser)
        options.add_progress(parser)
        options.add_image(parser, _("Image to save (name or ID)"))
        reasons = {
            "--chunk-size": _("pieces have the size that is quickest: leave it out"),
            "--store-preference": _("the Image API v1 has an image in one store: leave it out"),
        }
        options.add_refused(parser, reasons)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Save the image."""
        with base.ended_by_signals(_("Interrupted: the image is not saved")):
            saved = self._save(parsed_args)
        if not saved.verified:
            LOG.warning(
                _("%(doubt)s: nothing vouches for the content (SHA-256 %(sha256)s)"),
                {"doubt": saved.doubt, "sha256": saved.sha256},
            )

    def _save(self, parsed_args: argparse.Namespace) -> Any:
        import time
        from pathlib import Path

        from osc_image_v1.exceptions import WrongUsage
        from osc_image_v1.transfer.download import Download
        from osc_image_v1.transfer.part import check_target
        from osc_image_v1.transfer.progress import progress, tell_finished

        if parsed_args.file == "-":
            raise WrongUsage(
                _("For standard output leave out --file: '-' is the name of no file here")
            )
        target = Path(parsed_args.file) if parsed_args.file else None
        if target:
            check_target(target, clobber=not parsed_args.no_clobber)
        else:
            self._check_stdout(parsed_args)
        client = self.app.client_manager.image_v1
        image = client.find(parsed_args.image)
        with progress(image.size, image.name or image.id) as advance:
            download = Download(client, image, advance=advance, rate=options.rate_of(parsed_args))
            begun = time.monotonic()
            if target is None:
                saved = download.to_stream(_raw(self.app.stdout))
            else:
                saved = download.to_file(
                    target,
                    keep_partial=parsed_args.keep_partial,
                    clobber=not parsed_args.no_clobber,
                    sparse=parsed_args.sparse,
                )
        tell_finished("saved", image, saved.size, begun)
        return saved

    def _check_stdout(self, parsed_args: argparse.Namespace) -> None:
        from osc_image_v1.exceptions import WrongUsage

        if parsed_args.keep_partial or parsed_args.no_clobber:
            raise WrongUsage(_("--keep-partial and --no-clobber need --file"))
        if not parsed_args.sparse:
            raise WrongUsage(_("--no-sparse needs --file: standard output gets all zeros"))
        if self.app.stdout.isatty():
            raise WrongUsage(
                _("Image data does not go to a terminal: use --file <path>, or redirect it")
            )


def _raw(stdout: Any) -> Any:
    """Return the function that writes bytes to a text stream, past all buffers.

    Nothing that a closed pipe refuses stays in a buffer, to fail again when the shell ends.
    """
    import io

    from osc_image_v1.cli.outputs import WaitingOutput

    stdout.flush()
    raw = getattr(stdout.buffer, "raw", stdout.buffer)
    return (WaitingOutput(raw.fileno()) if isinstance(raw, io.FileIO) else raw).write
