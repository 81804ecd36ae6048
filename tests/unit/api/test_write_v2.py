"""What the client of the Image API v2 makes of answers that are lost, or none of the API."""

import pytest

from osc_image_v1.exceptions import (
    Conflict,
    ConnectionFailed,
    ForeignAnswer,
    ImageV1Error,
    NotFound,
    ServerError,
    UnknownOutcome,
)
from tests.unit.conftest import image_id
from tests.unit.glance import no_answer
from tests.unit.glance_v2 import TARGET_URL, failing

ID = image_id(1)
PAGE = {"text": "<html>Log in", "headers": {"Content-Type": "text/html"}}
RECORD = {"id": ID, "name": "new", "tags": ["b", "a"], "p/q": "1"}
CHANGES = [
    {"op": "replace", "path": "/name", "value": "other"},
    {"op": "remove", "path": "/a~1b"},
    {"op": "add", "path": "/c", "value": "3"},
]
WRITES = {
    "create": ("POST", "/images", lambda client: client.create(RECORD)),
    "change": ("PATCH", ID, lambda client: client.change(ID, CHANGES)),
    "deactivate": ("POST", "deactivate", lambda client: client.deactivate(ID)),
    "add member": ("POST", "members", lambda client: client.add_member(ID, "t1")),
    "accept": ("PUT", "t2", lambda client: client.accept_member(ID, "t2")),
    "delete": ("DELETE", ID, lambda client: client.delete(ID)),
}


@pytest.fixture
def client(glance):
    return glance.client()


def prepared(glance, what):
    if what != "create":
        glance.add(ID, b"data", **{"name": "old", "a/b": "2"})
        glance.members[ID] = {"t2": "pending"}
    method, end, call = WRITES[what]
    return f"{method} {end}", call


@pytest.mark.parametrize("what", WRITES)
def test_a_lost_answer_is_looked_up(client, glance, what):
    key, call = prepared(glance, what)
    glance.after[key] = [no_answer]
    call(client)
    method = key.partition(" ")[0]
    assert [line.split()[0] for line in glance.asked] == [method, "GET"]


@pytest.mark.parametrize("what", WRITES)
def test_a_lost_request_is_an_error(client, glance, naps, what):
    key, call = prepared(glance, what)
    glance.before[key] = [no_answer]
    with pytest.raises(ConnectionFailed) as failure:
        call(client)
    assert not isinstance(failure.value, UnknownOutcome)


@pytest.mark.parametrize("what", WRITES)
def test_nobody_can_tell(client, glance, what):
    key, call = prepared(glance, what)
    glance.after[key] = [no_answer]
    glance.before["GET "] = [failing(403)]
    with pytest.raises(UnknownOutcome, match="is not known; look with 'openstack image"):
        call(client)


@pytest.mark.parametrize("what", WRITES)
def test_a_page_is_no_answer(client, glance, naps, requests_mock, what):
    key, call = prepared(glance, what)
    method = key.partition(" ")[0]
    path = {"create": "", "change": f"/{ID}", "delete": f"/{ID}", "accept": f"/{ID}/members/t2"}
    end = path.get(what, f"/{ID}/" + ("members" if "member" in what else "actions/deactivate"))
    requests_mock.register_uri(method, f"{TARGET_URL}/v2/images{end}", **PAGE)
    with pytest.raises(ForeignAnswer, match=r"page of something in front of it .HTTP 200, text"):
        call(client)


def test_a_page_is_no_answer_to_data(client, glance, requests_mock):
    requests_mock.put(f"{TARGET_URL}/v2/images/{ID}/file", **PAGE)
    with pytest.raises(ForeignAnswer):
        client.upload(ID, iter([b"abc"]))


def test_a_record_without_an_id_is_not_looked_up(client, glance):
    glance.before["POST /images"] = [no_answer]
    with pytest.raises(ConnectionFailed):
        client.create({"name": "new"})
    assert glance.asked == ["POST /images"]


def test_an_id_that_is_taken_is_refused(client, glance):
    glance.add(ID)
    with pytest.raises(Conflict):
        client.create(RECORD)
    assert len(glance.asked) == 1


@pytest.mark.parametrize(
    ("there", "written", "said"),
    [
        (None, {"clé": "1", "Cle": "2"}, "takes 'clé' and 'Cle' for the same name"),
        (None, {"long": "x" * 65536}, "stores 65535 bytes of a value, and that of 'long' is long"),
        (None, {"a": "1"}, r"HTTP 500\)$"),
        ({"Foo": "1"}, {"foo": "2"}, "takes 'Foo' and 'foo' for the same name"),
        ({"foo": "1", "Foo": "1"}, {"foo": "2"}, r"HTTP 500\)$"),
        ({}, {"foo": "2"}, "even if that was removed"),
    ],
)
def test_what_a_database_has_against_properties(client, glance, there, written, said):
    changes = [{"op": "add", "path": f"/{name}", "value": value} for name, value in written.items()]
    if there is not None:
        glance.add(ID, **there)
    glance.before["POST /images"] = glance.before[f"PATCH {ID}"] = [failing(500)]
    with pytest.raises(ServerError, match=said):
        client.create({"id": ID, **written}) if there is None else client.change(ID, changes)


class TestDelete:
    def test_it_is_shown_until_its_data_is_removed(self, client, glance, naps):
        glance.add(ID, b"data")
        glance.before[f"DELETE {ID}"] = [no_answer]
        glance.after[f"GET {ID}"] = [lambda: None, glance.records.clear]
        client.delete(ID)
        assert naps == [0.5, 0.75]

    @pytest.mark.parametrize("status", ["pending_delete"])
    def test_what_is_removed_later_is_done(self, client, glance, status):
        glance.add(ID, b"data", status=status)
        glance.before[f"DELETE {ID}"] = [no_answer]
        client.delete(ID)

    def test_what_is_put_back_is_a_failure(self, client, glance, naps):
        glance.add(ID, b"data", status="deleted")
        glance.before[f"DELETE {ID}"] = [no_answer]
        put_back = glance.records[ID]
        glance.after[f"GET {ID}"] = [lambda: None, lambda: put_back.update(status="active")]
        with pytest.raises(ImageV1Error, match="has put it back, it is active again"):
            client.delete(ID)

    def test_no_image(self, client, glance):
        with pytest.raises(NotFound):
            client.delete(ID)

    def test_a_failure_of_the_service_may_leave_a_part(self, client, glance):
        glance.add(ID, b"data")
        glance.before[f"DELETE {ID}"] = [failing(500)]
        with pytest.raises(ServerError, match="its data may be gone in part now: delete it again"):
            client.delete(ID)
