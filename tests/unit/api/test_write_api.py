"""Writing through the Python API."""

import contextlib
import uuid

import pytest
import requests_mock as rm

from osc_image_v1.api import ImageFields, Member
from osc_image_v1.exceptions import (
    BadAnswer,
    BadRequest,
    Conflict,
    ConnectionFailed,
    Forbidden,
    ForeignAnswer,
    HttpError,
    ImageNotFound,
    ImageV1Error,
    InvalidInput,
    NotFound,
    OtherIdGiven,
    ServerError,
    TooLarge,
    UnknownOutcome,
)
from tests.unit import captures
from tests.unit.conftest import IMAGE_URL, image_id
from tests.unit.glance import Glance, no_answer, refuse

IMAGES = IMAGE_URL + "/v1/images"
ID = image_id(1)


@pytest.fixture
def glance(requests_mock):
    return Glance(requests_mock)


class TestRecorded:
    """Against answers of the real service."""

    def test_create(self, client, requests_mock):
        answer = captures.image_v1("02-create", "metadata only, props")
        requests_mock.post(IMAGES, **answer.mock)
        fields = ImageFields(name="queued2", protected=True, properties={"empty": ""})
        image = client.create(fields, answer.json["image"]["id"])
        assert (image.name, image.status, image.properties["empty"]) == ("queued2", "queued", None)
        assert requests_mock.last_request.headers["x-image-meta-id"] == image.id
        assert requests_mock.last_request.body is None

    def test_create_with_an_id_that_is_taken(self, client, requests_mock):
        requests_mock.post(IMAGES, **captures.image_v1("02-create", "duplicate id").mock)
        with pytest.raises(Conflict, match="already exists"):
            client.create(ImageFields(name="fixid"), "11111111-2222-3333-4444-555555555555")

    def test_create_with_a_bad_format(self, client, requests_mock):
        answer = captures.image_v1("02-create", "create disk_format='bogus'")
        requests_mock.post(IMAGES, **answer.mock)
        with pytest.raises(BadRequest, match="Invalid disk format 'bogus'"):
            client.create(ImageFields(name="bad", disk_format="bogus", container_format="bare"))

    def test_update_merges_unless_told_otherwise(self, client, requests_mock):
        answer = captures.image_v1("06-update", "PUT c, purge false")
        found = answer.json["image"]["id"]
        requests_mock.put(f"{IMAGES}/{found}", **answer.mock)
        image = client.update(found, ImageFields(properties={"c": "3"}))
        assert image.properties == {"a": "1", "b": "2", "c": "3"}
        assert requests_mock.last_request.headers["x-glance-registry-purge-props"] == "false"
        assert requests_mock.last_request.body is None

    def test_update_purges_when_told_to(self, client, requests_mock):
        answer = captures.image_v1("06-update", "PUT d, purge true")
        found = answer.json["image"]["id"]
        requests_mock.put(f"{IMAGES}/{found}", **answer.mock)
        image = client.update(found, ImageFields(properties={"d": "4"}), purge_properties=True)
        assert image.properties == {"d": "4"}
        assert requests_mock.last_request.headers["x-glance-registry-purge-props"] == "true"

    def test_upload(self, client, requests_mock):
        answer = captures.image_v1("06-update", "create upd")
        found = answer.json["image"]["id"]
        requests_mock.put(f"{IMAGES}/{found}", **{**answer.mock, "status_code": 200})
        image = client.upload(found, iter([b"01234"]))
        assert image.status == "active"
        assert requests_mock.last_request.headers["Content-Type"] == "application/octet-stream"

    def test_delete(self, client, requests_mock):
        requests_mock.delete(f"{IMAGES}/{ID}", **captures.image_v1("07-delete", "delete").mock)
        client.delete(ID)

    @pytest.mark.parametrize(
        ("title", "error", "said"),
        [
            ("delete again (admin)", ImageNotFound, "No image has the ID"),
            ("delete other's public", Forbidden, "Cannot delete"),
            ("delete protected", Forbidden, "Image is protected"),
        ],
    )
    def test_delete_refused(self, client, requests_mock, title, error, said):
        requests_mock.delete(f"{IMAGES}/{ID}", **captures.image_v1("07-delete", title).mock)
        with pytest.raises(error, match=said):
            client.delete(ID)

    def test_members(self, client, requests_mock):
        answer = captures.image_v1("08-members", "members as t2 (member)")
        requests_mock.get(f"{IMAGES}/{ID}/members", **answer.mock)
        assert client.members(ID) == [Member("t2", False)]

    def test_members_of_an_image_that_is_not_there(self, client, requests_mock):
        answer = captures.image_v1("08-members", "members as t3 (stranger)")
        requests_mock.get(f"{IMAGES}/{ID}/members", **answer.mock)
        with pytest.raises(ImageNotFound):
            client.members(ID)

    @pytest.mark.parametrize("document", [[], {"members": None}, {"members": ["x"]}])
    def test_members_of_another_form(self, client, requests_mock, document):
        requests_mock.get(f"{IMAGES}/{ID}/members", json=document)
        with pytest.raises(BadAnswer, match="another form"):
            client.members(ID)

    @pytest.mark.parametrize(
        ("can_share", "body"),
        [
            (None, None),
            (True, {"member": {"can_share": True}}),
            (False, {"member": {"can_share": False}}),
        ],
    )
    def test_add_member(self, client, requests_mock, can_share, body):
        answer = captures.image_v1("08-members", "add t2, no body")
        requests_mock.put(f"{IMAGES}/{ID}/members/t2", **answer.mock)
        client.add_member(ID, "t2", can_share)
        sent = requests_mock.last_request
        assert (sent.json() if sent.body else None) == body

    def test_add_member_without_the_right_to(self, client, requests_mock):
        answer = captures.image_v1("08-members", "t2 adds t3 without can_share")
        requests_mock.put(f"{IMAGES}/{ID}/members/t3", **answer.mock)
        with pytest.raises(NotFound, match="No permission to share that image"):
            client.add_member(ID, "t3")

    def test_remove_member(self, client, requests_mock):
        requests_mock.delete(
            f"{IMAGES}/{ID}/members/t2",
            status_code=204,
            headers={"X-Openstack-Request-Id": "req-1"},
        )
        client.remove_member(ID, "t2")
        requests_mock.delete(f"{IMAGES}/{ID}/members/t2", status_code=404)
        with pytest.raises(NotFound, match="is shared with project t2"):
            client.remove_member(ID, "t2")

    def test_set_members(self, client, requests_mock):
        answer = captures.image_v1("08-members", "replace members")
        requests_mock.put(f"{IMAGES}/{ID}/members", **answer.mock)
        client.set_members(ID, [Member("t5", True), Member("t6")])
        assert requests_mock.last_request.json() == {
            "memberships": [
                {"member_id": "t5", "can_share": True},
                {"member_id": "t6", "can_share": False},
            ]
        }

    @pytest.mark.parametrize(
        ("found", "done"),
        [
            ([{"member_id": "t2", "can_share": True}], {"add", "add to share", "set"}),
            ([{"member_id": "t2", "can_share": False}], {"add"}),
            ([], {"remove"}),
            (None, set()),
        ],
    )
    @pytest.mark.parametrize("what", ["add", "add to share", "set", "remove"])
    def test_a_lost_answer_about_members(self, client, requests_mock, found, done, what):
        """It is looked up; where that fails, the first error is the one that counts."""
        path = f"{IMAGES}/{ID}/members"
        status = 403 if found is None else 200
        requests_mock.get(path, json={"members": found}, status_code=status)
        for method, url in (("PUT", path), ("PUT", f"{path}/t2"), ("DELETE", f"{path}/t2")):
            requests_mock.register_uri(method, url, text=lambda *_: no_answer())
        calls = {
            "add": lambda: client.add_member(ID, "t2"),
            "add to share": lambda: client.add_member(ID, "t2", True),
            "set": lambda: client.set_members(ID, [Member("t2", True)]),
            "remove": lambda: client.remove_member(ID, "t2"),
        }
        refused = contextlib.nullcontext() if what in done else pytest.raises(ConnectionFailed)
        with refused:
            calls[what]()
        assert len([sent for sent in requests_mock.request_history if sent.method != "GET"]) == 1

    def test_a_service_without_members(self, client, requests_mock):
        path = f"{IMAGES}/{ID}/members"
        page = "<html><h1>404 Not Found</h1>The resource could not be found.<br /></html>"
        requests_mock.get(path, status_code=404, text=page)
        with pytest.raises(ImageNotFound, match=r"or the service has no API for members .HTTP 404"):
            client.members(ID)
        requests_mock.get(path, status_code=404, text="Image not found")
        with pytest.raises(ImageNotFound, match=r"^No image has the ID .* .HTTP 404.$"):
            client.members(ID)

    def test_too_many_members(self, client, requests_mock):
        answer = captures.image_v1("08-members", "129 members")
        requests_mock.put(f"{IMAGES}/{ID}/members", **answer.mock)
        with pytest.raises(TooLarge):
            client.set_members(ID, [Member(f"m{i}") for i in range(129)])


class TestCreate:
    def test_the_id_is_chosen_here(self, client, glance):
        image = client.create(ImageFields(name="a"))
        assert uuid.UUID(image.id)
        assert list(glance.records) == [image.id]
        assert len(glance.asked) == 1

    def test_an_id_that_is_none(self, client, glance):
        with pytest.raises(InvalidInput, match="is no image ID"):
            client.create(ImageFields(name="a"), "nope")
        assert not glance.asked

    @pytest.mark.parametrize("source", ["copy_from", "location"])
    def test_a_source_needs_formats(self, client, glance, source):
        with pytest.raises(InvalidInput, match="needs a disk and a container format"):
            client.create(ImageFields(name="a", **{source: "http://a/b"}))
        assert not glance.asked

    def test_a_lost_answer_is_looked_up(self, client, glance):
        glance.after["POST"] = no_answer
        image = client.create(ImageFields(name="a", properties={"x": "1", "y": ""}))
        assert image.properties == {"x": "1", "y": None}
        assert [line.split()[0] for line in glance.asked] == ["POST", "HEAD", "GET"]

    def test_a_lost_request_is_not_sent_again(self, client, glance):
        glance.before["POST"] = no_answer
        with pytest.raises(ConnectionFailed):
            client.create(ImageFields(name="a"))
        assert [line.split()[0] for line in glance.asked] == ["POST", "HEAD"]

    def test_what_the_service_ignores_is_an_error(self, client, glance):
        glance.is_admin = False
        with pytest.raises(BadAnswer, match=r"has not stored owner .only an admin"):
            client.create(ImageFields(name="a", owner="p2"))

    def test_another_id_than_asked_for(self, client, requests_mock):
        requests_mock.post(IMAGES, json={"image": {"id": ID}}, status_code=201)
        with pytest.raises(OtherIdGiven, match="made the image") as failure:
            client.create(ImageFields(name="a"))
        assert failure.value.image_id == ID

    @pytest.mark.parametrize("body", ["", "[]", '{"image": []}', "[" * 100000])
    def test_an_answer_without_an_image(self, client, requests_mock, body):
        own = {"X-Openstack-Request-Id": "req-1"}
        requests_mock.post(IMAGES, text=body, status_code=201, headers=own)
        requests_mock.head(rm.ANY, status_code=404)
        with pytest.raises(BadAnswer, match="no image metadata"):
            client.create(ImageFields(name="a"))
        requests_mock.post(IMAGES, text=body, status_code=201)
        with pytest.raises(ForeignAnswer, match="in front of it"):
            client.create(ImageFields(name="a"))


class TestUpdate:
    def test_a_lost_answer_is_looked_up(self, client, glance):
        glance.add(1, properties={"old": "1"})
        glance.after["PUT"] = no_answer
        image = client.update(ID, ImageFields(name="new"))
        assert (image.name, image.properties) == ("new", {"old": "1"})

    def test_a_lost_request_is_an_error(self, client, glance):
        glance.add(1)
        glance.before["PUT"] = no_answer
        with pytest.raises(ConnectionFailed):
            client.update(ID, ImageFields(name="new"))
        assert [line.split()[0] for line in glance.asked] == ["PUT", "HEAD", "GET"]

    def test_a_lost_request_to_purge_is_an_error(self, client, glance):
        glance.add(1, properties={"a": "1", "b": "2"})
        glance.before["PUT"] = no_answer
        with pytest.raises(ConnectionFailed):
            client.update(ID, ImageFields(properties={"a": "1"}), purge_properties=True)

    def test_a_lost_answer_to_purge_is_looked_up(self, client, glance):
        glance.add(1, properties={"a": "1", "b": "2"})
        glance.after["PUT"] = no_answer
        image = client.update(ID, ImageFields(properties={"a": "1"}), purge_properties=True)
        assert image.properties == {"a": "1"}

    def test_a_lost_request_for_a_source_is_an_error(self, client, glance):
        glance.add(1, status="queued")
        glance.after["PUT"] = no_answer
        with pytest.raises(ConnectionFailed):
            client.update(ID, ImageFields(copy_from="http://a/b"))

    def test_a_lost_answer_about_a_source_that_is_being_copied(self, client, glance):
        glance.add(1, status="queued")

        def begun():
            glance.records[ID]["status"] = "saving"
            no_answer()

        glance.after["PUT"] = begun
        assert client.update(ID, ImageFields(copy_from="http://a/b")).status == "saving"

    @pytest.mark.parametrize(
        ("written", "said"),
        [
            ({"os_distro": "x"}, "takes 'OS_Distro' and 'os_distro' for the same name"),
            ({"new": "x"}, "even if that was removed from the image$"),
            ({"key": "x"}, r"^Cannot change image \S+: 500 No Bad \(HTTP 500, request req-1\)$"),
            ({}, r"^Cannot change image \S+: 500 No Bad \(HTTP 500, request req-1\)$"),
        ],
    )
    def test_what_a_database_has_against_names(self, client, glance, written, said):
        glance.add(1, properties={"OS_Distro": "1", "key": "2"})
        glance.before["PUT"] = refuse(500, "Bad")
        with pytest.raises(ServerError, match=said):
            client.update(ID, ImageFields(name="new", properties=written))

    def test_an_image_that_is_gone(self, client, glance):
        glance.before["PUT"] = no_answer
        with pytest.raises(ImageNotFound):
            client.update(ID, ImageFields(name="new"))

    def test_no_image(self, client, glance):
        with pytest.raises(ImageNotFound, match="HTTP 404, request req-1"):
            client.update(ID, ImageFields(name="new"))


class TestDelete:
    def test_a_lost_answer_is_looked_up(self, client, glance):
        glance.add(1)
        glance.after["DELETE"] = no_answer
        client.delete(ID)
        assert [line.split()[0] for line in glance.asked] == ["DELETE", "HEAD"]

    def test_a_lost_request_is_an_error(self, client, glance):
        glance.add(1)
        glance.before["DELETE"] = no_answer
        with pytest.raises(ConnectionFailed):
            client.delete(ID)

    def test_an_admin_sees_deleted_images(self, client, glance):
        glance.add(1, status="deleted", deleted=True)
        glance.before["DELETE"] = no_answer
        client.delete(ID)

    def test_what_is_put_back_is_a_failure(self, client, glance, naps, caplog):
        glance.add(1, status="deleted")

        def put_back():
            glance.records[ID]["status"] = "active"

        glance.before["DELETE"] = no_answer
        glance.after["HEAD"] = put_back
        with pytest.raises(ImageV1Error, match=r"put it back, it is active again; its data may be"):
            client.delete(ID)
        assert naps == [0.5]
        assert "image 00000000-0000-0000-0000-000000000002 is being deleted" in caplog.text

    def test_a_failure_of_the_service_may_leave_a_part(self, client, glance):
        glance.add(1)
        glance.before["DELETE"] = refuse(500, "Oops")
        with pytest.raises(ServerError, match=r"Oops .*; its data may be gone in part now: delete"):
            client.delete(ID)

    def test_a_page_is_no_answer(self, client, glance, requests_mock):
        glance.add(1)
        page = {"text": "<html>Log in", "headers": {"Content-Type": "text/html"}}
        requests_mock.delete(f"{IMAGES}/{ID}", **page)
        with pytest.raises(ForeignAnswer, match=r"page of something in front of it .HTTP 200, tex"):
            client.delete(ID)

    def test_a_page_is_no_answer_to_the_look_either(self, client, requests_mock):
        page = {"text": "<html>Log in", "headers": {"Content-Type": "text/html"}}
        requests_mock.register_uri(rm.ANY, rm.ANY, **page)
        with pytest.raises(UnknownOutcome, match="whether it was done is not known"):
            client.delete(ID)


class TestExact:
    def test_a_list_knows_more_than_head(self, client, glance):
        properties = {"Foo": "1", "nul": None, "a b": "2"}
        glance.add(1, properties=properties)
        glance.add(2, name="image 1")
        seen = client.get(ID)
        assert seen.properties == {"foo": "1"}
        assert client.exact(seen).properties == properties

    def test_an_image_that_changed_meanwhile(self, client, glance):
        glance.add(1)
        seen = client.get(ID)
        glance.records.clear()
        with pytest.raises(ImageNotFound, match="changed or deleted in between"):
            client.exact(seen)


PROPERTIES = {
    "Foo": "1",
    "foo": "2",
    "a-b": "3",
    "a_b": "4",
    "k/e~y": "5",
    "nul": None,
    "empty": "",
    "owner_note": "é",
}


class TestRemoveProperties:
    def remove(self, client, *names):
        client.remove_properties(client.get(ID), names)

    @pytest.mark.parametrize("name", PROPERTIES)
    def test_exactly_one_by_v2(self, client, glance, name):
        glance.add(1, properties=dict(PROPERTIES))
        self.remove(client, name)
        assert glance.records[ID]["properties"] == {
            key: value for key, value in PROPERTIES.items() if key != name
        }
        assert glance.asked == [f"HEAD /v1/images/{ID}", f"PATCH /v2/images/{ID}"]

    def test_nothing(self, client, glance):
        glance.add(1)
        self.remove(client)
        assert len(glance.asked) == 1

    def test_a_name_that_is_not_there(self, client, glance):
        glance.add(1, properties=dict(PROPERTIES))
        with pytest.raises(InvalidInput, match="no property 'A_B', 'z'; it has 'a-b', 'a_b'; noth"):
            self.remove(client, "foo", "A_B", "z")
        assert glance.records[ID]["properties"] == PROPERTIES

    def test_by_v1_where_there_is_no_v2(self, client, glance):
        glance.v2 = False
        properties = {"a_b": "1", "nul": None, "ñ".encode().hex(): "ñ", "gone": "x"}
        glance.add(1, properties=dict(properties))
        self.remove(client, "gone")
        del properties["gone"]
        assert glance.records[ID]["properties"] == properties

    @pytest.mark.parametrize(
        "kept", [{"Foo": "1"}, {"a-b": "1"}, {"a b": "1"}, {"e": ""}, {"s": " x"}, {"n": "a\nb"}]
    )
    def test_v1_refuses_to_lose_others(self, client, glance, kept):
        glance.v2 = False
        properties = {**kept, "gone": "x"}
        glance.add(1, properties=dict(properties))
        with pytest.raises(ImageV1Error, match="would lose one"):
            self.remove(client, "gone")
        assert glance.records[ID]["properties"] == properties

    def test_by_v1_where_v2_takes_the_name_for_a_field(self, client, glance):
        glance.add(1, properties={"owner": "x", "b": "1"})
        self.remove(client, "owner")
        assert glance.records[ID]["properties"] == {"b": "1"}
        assert not [line for line in glance.asked if "v2" in line]

    @pytest.mark.parametrize("status", [405, 501])
    def test_a_service_that_knows_no_patch(self, client, glance, status):
        glance.before["PATCH"] = refuse(status)
        glance.add(1, properties={"a": "x", "b": "1"})
        self.remove(client, "a")
        assert glance.records[ID]["properties"] == {"b": "1"}

    def test_a_refusal_of_v2_is_final(self, client, glance):
        glance.before["PATCH"] = refuse(403)
        glance.add(1, properties={"a": "x", "b": "1"})
        with pytest.raises(HttpError, match="Forbidden to do that"):
            self.remove(client, "a")

    def test_a_lost_answer_is_looked_up(self, client, glance):
        glance.add(1, properties={"a": "x", "b": "1"})
        glance.after["PATCH"] = no_answer
        self.remove(client, "a")
        assert [line.split()[0] for line in glance.asked] == ["HEAD", "PATCH", "GET"]

    def test_a_lost_request_is_an_error(self, client, glance):
        glance.add(1, properties={"a": "x", "b": "1"})
        glance.before["PATCH"] = no_answer
        with pytest.raises(ConnectionFailed):
            self.remove(client, "a")

    def test_a_service_that_removes_more(self, client, glance, requests_mock):
        glance.v2 = False
        glance.add(1, properties={"a": "x", "b": "1"})
        requests_mock.put(f"{IMAGES}/{ID}", json={"image": {"id": ID, "properties": {}}})
        with pytest.raises(BadAnswer, match="not the ones that were to stay"):
            self.remove(client, "a")


def test_no_method_is_sent_twice(client, requests_mock):
    requests_mock.register_uri(
        rm.ANY, rm.ANY, status_code=503, headers={"X-Openstack-Request-Id": "req-1"}
    )
    for call in (
        lambda: client.create(ImageFields(name="a")),
        lambda: client.update(ID, ImageFields(name="a")),
        lambda: client.upload(ID, iter([b"x"])),
        lambda: client.delete(ID),
        lambda: client.add_member(ID, "p"),
        lambda: client.remove_member(ID, "p"),
        lambda: client.set_members(ID, []),
    ):
        requests_mock.reset_mock()
        with pytest.raises(HttpError):
            call()
        assert requests_mock.call_count == 1
