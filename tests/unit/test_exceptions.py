import pytest
from osc_lib.exceptions import CommandError

from osc_image_v1 import exceptions


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, exceptions.HttpError),
        (300, exceptions.HttpError),
        (400, exceptions.BadRequest),
        (401, exceptions.Unauthorized),
        (402, exceptions.HttpError),
        (403, exceptions.Forbidden),
        (404, exceptions.NotFound),
        (409, exceptions.Conflict),
        (413, exceptions.TooLarge),
        (429, exceptions.HttpError),
        (500, exceptions.ServerError),
        (503, exceptions.ServerError),
        (599, exceptions.ServerError),
    ],
)
def test_each_status_has_its_error(status, kind):
    error = exceptions.http_error("Cannot do it", status, "no", "req-1")
    assert type(error) is kind
    assert error.status == status
    assert str(error) == f"Cannot do it: no (HTTP {status}, request req-1)"


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_front_end_says_nothing_of_what_the_service_has_done(status):
    error = exceptions.http_error("Cannot do it", status)
    assert type(error) is exceptions.GatewayError
    assert isinstance(error, exceptions.ServerError)
    assert isinstance(error, exceptions.ConnectionFailed)
    assert (error.status, str(error)) == (status, f"Cannot do it (HTTP {status})")


def test_other_errors_of_a_front_end_are_refusals():
    assert type(exceptions.http_error("Cannot do it", 500)) is exceptions.ServerError
    assert type(exceptions.http_error("Cannot do it", 413)) is exceptions.TooLarge


def test_who_may_only_read_is_not_logged_in():
    """Glance decides late about tokens where it is told to: one that has run out is nobody's."""
    error = exceptions.http_error("Cannot create image x", 403, "Read-only access")
    assert isinstance(error, exceptions.Forbidden)
    assert isinstance(error, exceptions.Unauthorized)
    assert str(error) == (
        "Cannot create image x: Read-only access: the service takes you for nobody, since there is "
        "no token, or it has run out or is another cloud's; log in anew (HTTP 403)"
    )
    assert type(exceptions.http_error("x", 403, "Forbidden image")) is exceptions.Forbidden


def test_an_error_tells_what_it_knows():
    error = exceptions.http_error("Cannot do it", 404)
    assert str(error) == "Cannot do it (HTTP 404)"
    assert (error.action, error.explanation, error.request_id) == ("Cannot do it", "", None)
    assert error.where == "HTTP 404"
    assert error.retry_after is None


def test_a_request_id_is_untrusted():
    error = exceptions.http_error("No", 400, "", "req\x1b[2J")
    assert str(error) == "No (HTTP 400, request req\\x1b[2J)"


def test_all_errors_are_of_one_tree():
    kinds = [
        kind
        for kind in vars(exceptions).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ]
    assert len(kinds) > 10
    assert all(issubclass(kind, exceptions.ImageV1Error) for kind in kinds)
    assert issubclass(exceptions.ImageV1Error, CommandError)
    assert issubclass(exceptions.InvalidInput, ValueError)
    assert issubclass(exceptions.TlsFailed, exceptions.ConnectionFailed)


def test_an_ambiguous_name_has_its_candidates():
    error = exceptions.AmbiguousName("2 images", ["a", "b"])
    assert str(error) == "2 images"
    assert error.candidates == ("a", "b")
