"""What a user is logged in to: a project, a domain, the whole system, or nothing at all."""

from __future__ import annotations

import contextlib
import logging
from typing import Any, Literal

from osc_image_v1.cli.identity import access_of
from osc_image_v1.exceptions import InvalidInput
from osc_image_v1.i18n import _
from osc_image_v1.text import printable

LOG = logging.getLogger(__name__)

Scope = Literal["project", "domain", "system", "nothing"]


def scope_of(manager: Any) -> Scope | None:
    """Return what a token is for, None where no Identity service has told.

    :param manager: a client manager
    """
    access = access_of(manager)
    if access is None:
        return None
    if access.project_id:
        return "project"
    if access.domain_scoped:
        return "domain"
    # keystoneauth1 5.0 looks for it in every token.
    with contextlib.suppress(KeyError):
        if access.system_scoped:
            return "system"
    return "nothing"


def tell(manager: Any) -> None:
    """Tell the person what is seen without a project.

    :param manager: a client manager
    """
    scope = scope_of(manager)
    if scope == "nothing":
        LOG.warning(
            _(
                "You are logged in to no project: public images are seen, but none of your "
                "projects, if any service is found at all; --os-project-name logs in to one"
            )
        )
    elif scope in ("domain", "system"):
        LOG.info(
            _(
                "You are logged in to no project, but to a domain or the system: no private image "
                "is your own, --all shows those of all projects where you are an admin"
            )
        )


def check_owner(manager: Any, chosen: bool, how: str, cloud: str | None = None) -> None:
    """Refuse to make images that would belong to nobody, which everybody sees.

    :param manager: a client manager of the cloud where images are to be made
    :param chosen: whether their owner is chosen
    :param how: options that choose one
    :param cloud: the name of the cloud, if it is not the shell's own
    :raises InvalidInput: if new images would have no owner
    """
    scope = scope_of(manager)
    if scope in (None, "project") or (chosen and scope != "nothing"):
        return
    where = _(" in cloud '%s'") % printable(cloud) if cloud else ""
    if scope == "nothing":
        text = _(
            "You are logged in to no project%s: a new image would belong to nobody. Log in to a "
            "project"
        )
        raise InvalidInput(text % where)
    text = _(
        "You are logged in to no project%(where)s, but to %(scope)s: a new image would belong to "
        "nobody. Log in to a project, or choose the owner with %(how)s"
    )
    called = {"domain": _("a domain"), "system": _("the whole system")}
    raise InvalidInput(text % {"where": where, "scope": called[scope], "how": how})
