"""From the shell's settings to clients."""

import pytest

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.cli.clients import compute_image_client, image_client
from osc_image_v1.exceptions import InvalidInput
from tests.unit.conftest import IMAGE_URL, Shell, session_at


def manager(**settings):
    return Shell(session_at(IMAGE_URL), **settings).client_manager


def test_the_session_of_the_shell_is_used():
    shell = manager(region_name="RegionTwo", interface="internal")
    adapter = image_client(shell).http.adapter
    assert adapter.session is shell.session
    assert (adapter.service_type, adapter.interface) == ("image", "internal")
    assert adapter.region_name == "RegionOne"
    assert compute_image_client(shell).http.adapter.service_type == "compute"


def test_the_plugin_makes_the_same_client():
    client = manager().image_v1
    assert type(client) is ImageClient
    assert client.http.endpoint == f"{IMAGE_URL}/v1"


@pytest.mark.parametrize(
    ("settings", "endpoint"),
    [
        ({}, f"{IMAGE_URL}/v1"),
        ({"image_endpoint_override": "http://all:1/v2"}, "http://all:1/v1"),
        ({"image_v1_endpoint_override": "http://v1:1"}, "http://v1:1/v1"),
        (
            {
                "image_v1_endpoint_override": "http://v1:1",
                "image_endpoint_override": "http://all:1",
            },
            "http://v1:1/v1",
        ),
        ({"image_v1_endpoint_override": ""}, f"{IMAGE_URL}/v1"),
        ({"auth_type": "none", "auth": {"endpoint": "http://none:1"}}, "http://none:1/v1"),
        (
            {"auth_type": "admin_token", "auth": {"endpoint": "http://admin:1", "token": "x"}},
            f"{IMAGE_URL}/v1",
        ),
    ],
)
def test_overrides(settings, endpoint):
    assert image_client(manager(**settings)).http.endpoint == endpoint


def test_an_override_for_v1_is_not_one_for_compute():
    shell = manager(
        image_v1_endpoint_override="http://v1:1", compute_endpoint_override="http://nova:1"
    )
    assert compute_image_client(shell).http.endpoint == "http://nova:1/v2.1"


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, 60), ("", 60), ("5", 5), (7, 7), ("0.5", 0.5), ("86400", 86400)]
)
def test_time_outs(text, seconds):
    shell = manager(image_v1_timeout=text)
    assert image_client(shell).http.timeout == compute_image_client(shell).http.timeout == seconds


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf", "86401", [5]])
def test_wrong_time_outs_are_refused(text):
    with pytest.raises(InvalidInput, match="is no number of seconds from 0 to 86400"):
        image_client(manager(image_v1_timeout=text))


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        ({"verify": "/nowhere/x.pem"}, "--os-cacert"),
        ({"cert": "/nowhere/x.pem"}, "--os-cert"),
        ({"cert": (__file__, "/nowhere/x.pem")}, "--os-key"),
        ({"verify": True, "cert": ("/nowhere/x.pem", __file__)}, "--os-cert"),
    ],
)
@pytest.mark.parametrize("client", [image_client, compute_image_client])
def test_a_file_of_certificates_that_is_not_there(settings, option, client):
    """Over http as well, where nobody else would say so."""
    shell = manager()
    for name, value in settings.items():
        setattr(shell.session, name, value)
    with pytest.raises(InvalidInput, match=rf"^There is no file /nowhere/x\.pem: .* {option} or"):
        client(shell)


@pytest.mark.parametrize("verify", [True, False, None, __file__, "/"])
def test_files_of_certificates_that_are_there(verify):
    shell = manager()
    shell.session.verify, shell.session.cert = verify, (__file__, __file__)
    assert image_client(shell)
