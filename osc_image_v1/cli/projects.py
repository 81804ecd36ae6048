"""Projects by name or ID, and which project of one cloud is which of another."""

from __future__ import annotations

import argparse
import csv
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osc_image_v1.exceptions import InvalidInput, WrongUsage
from osc_image_v1.i18n import _
from osc_image_v1.text import printable

if TYPE_CHECKING:
    from concurrent.futures import Future

    from osc_image_v1.cli.identity import Identity, Project

_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LARGEST_MAP = 16 * 2**20
_YAML = frozenset((".yaml", ".yml", ".json"))
_TITLES = ("old", "new")
# So many of the projects that share a name are told.
_MOST_TOLD = 10


class GoneProject(InvalidInput):
    """The text has the form of an ID, and the Identity service says that there is no such project.

    :ivar project: the text
    """

    def __init__(self, message: str, project: str) -> None:
        super().__init__(message)
        self.project = project


def project_id(
    manager: Any,
    name_or_id: str,
    domain: str | None = None,
    *,
    gone: bool = False,
    domain_option: bool = True,
) -> str:
    """Return a project's ID.

    What has the form of an ID is one where nobody can say more: where this user may not look
    projects up, or no Identity service is within reach. Any other text must be found.

    :param manager: a client manager
    :param name_or_id: the project's name or ID
    :param domain: the name or ID of its domain, where the project is given by name
    :param gone: whether the project may be gone, since its images can still be there
    :param domain_option: whether the person could have given a domain
    :raises GoneProject: if the ID is of no project, and ``gone`` is not set
    :raises InvalidInput: if there is no such project, there are several, or it cannot be looked up
    """
    from osc_image_v1.cli.identity import Unknown, access_of, identity_of

    own = access_of(manager)
    if own is not None and own.project_id and name_or_id == own.project_id and domain is None:
        return name_or_id
    try:
        identity = identity_of(manager)
        found = identity.find(name_or_id, domain)
    except Unknown as unknown:
        return _taken(name_or_id, own, unknown)
    if len(found) > 1:
        raise InvalidInput(_several(name_or_id, found, identity, domain_option))
    if found:
        return found[0].id
    shown = printable(name_or_id)
    if not _is_id(name_or_id, own):
        raise InvalidInput(_("No project has the name or ID '%s'") % shown)
    if gone:
        return name_or_id
    raise GoneProject(
        _("No project has the ID '%s', the Identity service says") % shown, name_or_id
    )


def own_id(manager: Any) -> str:
    """Return the ID of the project that the user is logged in to.

    :param manager: a client manager
    :raises InvalidInput: if that is none
    """
    project: str | None = manager.session.get_project_id()
    if project is None:
        raise InvalidInput(_("You are logged in to no project; --os-project-name logs in to one"))
    return project


def _taken(text: str, own: Any, reason: Exception) -> str:
    """Return a text that is an ID by its form; nobody can say whether there is such a project."""
    if _is_id(text, own):
        return text
    raise InvalidInput(
        _(
            "Project '%(name)s' cannot be looked up: %(reason)s; give the project's ID, of 32 "
            "hexadecimal digits"
        )
        % {"name": printable(text), "reason": reason}
    ) from None


def _is_id(text: str, own: Any) -> bool:
    """Tell whether a text has the form of a project's ID."""
    # Some old clouds count their projects.
    counted = own is not None and str(own.project_id).isdecimal() and text.isdecimal()
    return bool(_ID.fullmatch(text)) or counted


def _several(name: str, found: list[Project], identity: Identity, domain_option: bool) -> str:
    told = []
    for project in found[:_MOST_TOLD]:
        domain = project.domain_id
        if domain is None:
            told.append(printable(project.id))
            continue
        called = identity.domain_name(domain)
        shown = printable(domain if called is None else f"{called} ({domain})")
        told.append(
            _("%(id)s in domain %(domain)s") % {"id": printable(project.id), "domain": shown}
        )
    if len(found) > _MOST_TOLD:
        told.append("...")
    advice = (
        _("use an ID instead, or --project-domain") if domain_option else _("use an ID instead")
    )
    return str(
        _("%(number)d projects have the name '%(name)s', %(advice)s: %(projects)s")
        % {
            "number": len(found),
            "name": printable(name),
            "advice": advice,
            "projects": ", ".join(told),
        }
    )


def domain_of(parsed_args: argparse.Namespace, *options: str) -> str | None:
    """Return the domain in which a project is to be looked for, None where all count.

    :param parsed_args: ``project_domain``, and the options that name projects
    :param options: their attributes
    :raises WrongUsage: if there is a domain without a project
    """
    domain: str | None = parsed_args.project_domain
    if domain is not None and not any(getattr(parsed_args, option) for option in options):
        flags = _(" or ").join(f"--{option.replace('_', '-')}" for option in options)
        raise WrongUsage(_("--project-domain is for %s") % flags)
    return domain


class ProjectNames:
    """Names of projects by their IDs, each asked for once; several threads may ask.

    :param manager: the shell's client manager
    """

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._lock = threading.Lock()
        self._names: dict[str, Future[str | None]] = {}
        self._identity: Identity | None = None
        self._reached = True

    def get(self, project: str) -> str | None:
        """Return a project's name, None where this user may not know it or it is gone.

        :param project: the project's ID
        """
        from concurrent.futures import Future

        with self._lock:
            mine = project not in self._names
            name = self._names.setdefault(project, Future())
            if mine and self._identity is None:
                # What the first one learns of the service no other one has to.
                self._answer(name, project)
                mine = False
        if mine:
            # While one name is on its way others can be asked for.
            self._answer(name, project)
        return name.result()

    def _answer(self, name: Future[str | None], project: str) -> None:
        try:
            name.set_result(self._ask(project) if self._reached else None)
        except BaseException as error:  # noqa: BLE001 (it is raised where it is asked for)
            del self._names[project]
            name.set_exception(error)

    def _ask(self, project: str) -> str | None:
        from osc_image_v1.cli.identity import OutOfReach, Unknown, identity_of

        try:
            if self._identity is None:
                self._identity = identity_of(self._manager)
            found = self._identity.get(project)
        except OutOfReach:
            # Nor will it be for the next one.
            self._reached = False
            return None
        except Unknown:
            return None
        return None if found is None else found.name


def all_projects(manager: Any, whole: bool = True) -> dict[str, str] | None:
    """Return the names of all projects by their IDs.

    :param manager: the shell's client manager
    :param whole: whether those that this user is told of are not enough, if there may be others
    :returns: None where no Identity service is within reach, or it does not tell this user that
    """
    from osc_image_v1.cli.identity import Unknown, identity_of

    try:
        found, all_of_them = identity_of(manager).all()
    except Unknown:
        return None
    if whole and not all_of_them:
        return None
    return {project.id: project.name for project in found}


def mapped(
    parsed_args: argparse.Namespace, here: Any, there: Any
) -> tuple[Mapping[str, str], bool]:
    """Return the IDs of projects, here -> there, and whether all others are the same there.

    :param parsed_args: what :func:`read_map` has read, and ``keep_project_ids``
    :param here: the shell's client manager
    :param there: the other cloud's
    :raises InvalidInput: if one of the clouds has no such project
    """

    def known(manager: Any, name_or_id: str, gone: bool) -> str:
        return project_id(manager, name_or_id, gone=gone, domain_option=False)

    # A project here may be gone: its images are still there.
    projects = {
        known(here, old, True): known(there, new, False)
        for old, new in parsed_args.project_map.items()
    }
    return projects, parsed_args.keep_project_ids or there.shares_projects(here)


def read_map(parsed_args: argparse.Namespace) -> None:
    """Let ``project_map`` have what the file says that it names; nothing is asked of anyone.

    :param parsed_args: what :func:`~osc_image_v1.cli.options.add_changes` took
    :raises WrongUsage: if the file is wrong
    """
    path = parsed_args.project_map
    parsed_args.project_map = read_project_map(Path(path)) if path else {}


def read_project_map(path: Path, what: str = "projects") -> dict[str, str]:
    """Return projects by name or ID: old -> new; or formats.

    A file whose name ends in ``.yaml``, ``.yml`` or ``.json`` has a mapping, any other one lines of
    two values with a comma between; a first line ``old,new``, empty lines and lines that begin with
    ``#`` do not count.

    :param path: the file
    :param what: what it has, for errors
    :raises WrongUsage: if it cannot be read, or has another form
    """
    file = {"file": f"'{printable(path)}'", "what": what}
    try:
        with path.open("rb") as opened:
            body = opened.read(_LARGEST_MAP + 1)
        text = body.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = printable(getattr(error, "strerror", None) or str(error))
        raise WrongUsage(
            _("Cannot read %(file)s: %(reason)s") % {**file, "reason": reason}
        ) from error
    if len(body) > _LARGEST_MAP:
        most = _LARGEST_MAP // 2**20
        wrong = _("%(file)s is no map of %(what)s: it is over %(most)d MiB") % {
            **file,
            "most": most,
        }
        raise WrongUsage(wrong)
    is_yaml = path.suffix.lower() in _YAML
    pairs = _yaml(file, text) if is_yaml else _csv(file, text)
    if not pairs:
        raise WrongUsage(_("%(file)s has no %(what)s") % file)
    projects: dict[str, str] = {}
    for old, new in pairs:
        if not old or not new:
            raise WrongUsage(_("%(file)s has %(what)s without a name or ID") % file)
        if projects.setdefault(old, new) != new:
            several = _("%(file)s has two %(what)s for '%(name)s'")
            raise WrongUsage(several % {**file, "name": printable(old)})
    return projects


def _csv(file: Mapping[str, str], text: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    first = True
    try:
        rows = list(csv.reader(text.splitlines(), skipinitialspace=True, strict=True))
    except csv.Error as error:
        wrong = _("%(file)s is no CSV: %(reason)s") % {**file, "reason": error}
        raise WrongUsage(wrong) from error
    for number, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if len(cells) != len(_TITLES):
            wrong = _("%(file)s, line %(number)d: not two values, old and new")
            raise WrongUsage(wrong % {**file, "number": number})
        if not first or tuple(cell.lower() for cell in cells) != _TITLES:
            pairs.append((cells[0], cells[1]))
        first = False
    return pairs


def _yaml(file: Mapping[str, str], text: str) -> list[tuple[str, str]]:
    import yaml

    try:
        # All scalars as text: an ID may look like a number.
        document: Any = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 (makes text alone)
    except (yaml.YAMLError, RecursionError) as error:
        reason = printable(" ".join(str(error).split()))
        raise WrongUsage(
            _("%(file)s is no YAML: %(reason)s") % {**file, "reason": reason}
        ) from error
    if not isinstance(document, dict) or not all(
        isinstance(item, str) for pair in document.items() for item in pair
    ):
        raise WrongUsage(_("%(file)s is no mapping of old to new %(what)s") % file)
    return [(old.strip(), new.strip()) for old, new in document.items()]
