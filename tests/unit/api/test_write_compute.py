"""Metadata through the Compute service's proxy."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.api.fields import check_metadata
from osc_image_v1.exceptions import (
    ApiNotAvailable,
    BadAnswer,
    ConnectionFailed,
    Forbidden,
    ForeignAnswer,
    ImageNotFound,
    InvalidInput,
    NotFound,
    ServerError,
)
from osc_image_v1.text import printable
from tests.unit import captures
from tests.unit.conftest import COMPUTE_URL, image_id
from tests.unit.fuzz import thorough
from tests.unit.glance import no_answer

ID = image_id(1)
IMAGE = f"{COMPUTE_URL}/images/{ID}"
PAGE = {"text": "<html>Log in", "headers": {"Content-Type": "text/html"}}
NO_PATH = {
    "status_code": 404,
    "text": "<html><h1>404 Not Found</h1>The resource could not be found.<br /><br /></html>",
    "headers": {"Content-Type": "text/html"},
}


def reset(_request, _context):
    no_answer()


def shown(metadata):
    return {"image": {"id": ID, "status": "ACTIVE", "metadata": metadata}}


class TestCheck:
    @pytest.mark.parametrize(
        ("key", "value", "said"),
        [
            ("", "x", "is no key"),
            ("a/b", "x", "is no key"),
            ("ñ", "x", "is no key"),
            ("a\n", "x", "is no key"),
            ("k" * 256, "x", "is no key"),
            (" a", "x", "begins or ends with a blank"),
            (".", "x", "could never be removed"),
            ("..", "x", "could never be removed"),
            ("owner", "x", "would drop it without a word"),
            ("name", "x", "would drop it"),
            ("min_ram", "x", "would drop it"),
            ("status", "x", "cannot change"),
            ("location", "http://a", "cannot change"),
            ("a", "x" * 256, "has 256 characters"),
            ("a", "\0", "NUL"),
            ("a", "🐧", "above U"),
            ("a", "\ud800", "no valid text"),
            ("kernel_id", "", "cannot be ''"),
            ("ramdisk_id", " None ", "would drop"),
            ("mappings", "abc", "must be JSON"),
            ("block_device_mapping", "[" * 100, "must be JSON"),
        ],
    )
    def test_what_would_be_lost_is_refused(self, key, value, said):
        with pytest.raises(InvalidInput, match=said):
            check_metadata({"fine": "1", key: value})

    def test_too_many(self):
        with pytest.raises(InvalidInput, match="128 properties at most, not 129"):
            check_metadata({f"k{i}": "x" for i in range(129)})

    def test_what_is_taken(self):
        check_metadata({"a-B_c:d. e": "", "mappings": "[]", "kernel_id": "abc", "x": "a\nb "})

    @given(st.dictionaries(st.text(st.characters(exclude_categories=())), st.text()))
    @thorough
    def test_no_other_error(self, metadata):
        try:
            check_metadata(metadata)
        except InvalidInput as error:
            said = str(error)
        else:
            said = ""
        assert printable(said) == said


class TestSet:
    def test_merge(self, compute_client, requests_mock):
        requests_mock.post(f"{IMAGE}/metadata", **captures.compute("40-meta-post").mock)
        compute_client.set_metadata(ID, {"a": "11", "c": "3"})
        sent = requests_mock.last_request
        assert sent.json() == {"metadata": {"a": "11", "c": "3"}}
        assert sent.headers["OpenStack-API-Version"] == "compute 2.1"

    def test_what_the_service_drops_is_an_error(self, compute_client, requests_mock):
        requests_mock.post(f"{IMAGE}/metadata", **captures.compute("40-meta-post-basename").mock)
        with pytest.raises(BadAnswer, match="has not written x"):
            compute_client.set_metadata(ID, {"x": "7"})

    def test_replace_is_read_back(self, compute_client, requests_mock):
        requests_mock.put(f"{IMAGE}/metadata", **captures.compute("40-meta-put-all").mock)
        requests_mock.get(IMAGE, json=shown({"only": "this", "z": "1"}))
        compute_client.set_metadata(ID, {"only": "this", "z": "1"}, purge=True)
        requests_mock.get(IMAGE, json=shown({"only": "this", "old": "1"}))
        with pytest.raises(BadAnswer, match="has not written old, z"):
            compute_client.set_metadata(ID, {"only": "this", "z": "1"}, purge=True)

    @pytest.mark.parametrize("stored", [[{"a": 1}], None, {}, "x"])
    def test_values_that_the_service_decodes(self, compute_client, requests_mock, stored):
        requests_mock.post(f"{IMAGE}/metadata", json={"metadata": {"mappings": stored}})
        if stored == [{"a": 1}]:
            compute_client.set_metadata(ID, {"mappings": '[{"a":1}]'})
        else:
            with pytest.raises(BadAnswer):
                compute_client.set_metadata(ID, {"mappings": '[{"a":1}]'})

    def test_a_value_that_turns_out_as_no_text(self, compute_client, requests_mock):
        requests_mock.post(f"{IMAGE}/metadata", json={"metadata": {"a": 1}})
        with pytest.raises(BadAnswer):
            compute_client.set_metadata(ID, {"a": "x"})

    def test_wrong_input_sends_nothing(self, compute_client, requests_mock):
        with pytest.raises(InvalidInput):
            compute_client.set_metadata(ID, {"owner": "x"})
        assert not requests_mock.called

    @pytest.mark.parametrize("body", ["", "[]", '{"metadata": 1}'])
    def test_an_answer_of_another_form(self, compute_client, requests_mock, body):
        own = {"X-Compute-Request-Id": "req-1"}
        requests_mock.post(f"{IMAGE}/metadata", text=body, headers=own)
        requests_mock.get(IMAGE, json=shown({}))
        with pytest.raises(BadAnswer, match="has no metadata"):
            compute_client.set_metadata(ID, {"a": "x"})
        requests_mock.get(IMAGE, json=shown({"a": "x"}))
        compute_client.set_metadata(ID, {"a": "x"})

    def test_a_page(self, compute_client, requests_mock):
        requests_mock.post(f"{IMAGE}/metadata", **PAGE)
        requests_mock.get(IMAGE, json=shown({}))
        with pytest.raises(ForeignAnswer, match=r"in front of it .HTTP 200, text/html"):
            compute_client.set_metadata(ID, {"a": "x"})

    @pytest.mark.parametrize("purge", [False, True])
    def test_a_service_without_such_a_path(self, compute_client, requests_mock, purge):
        requests_mock.register_uri("PUT" if purge else "POST", f"{IMAGE}/metadata", **NO_PATH)
        requests_mock.get(IMAGE, json=shown({}))
        with pytest.raises(ApiNotAvailable) as failure:
            compute_client.set_metadata(ID, {"a": "x"}, purge)
        assert str(failure.value) == (
            f"Cannot change the properties of image {ID}: the image is there, but the Compute "
            "service has no API for writing the properties of an image (HTTP 404): use 'openstack "
            "image v1' or 'openstack image'"
        )

    def test_no_image(self, compute_client, requests_mock):
        requests_mock.post(f"{IMAGE}/metadata", **NO_PATH)
        requests_mock.get(IMAGE, status_code=404)
        with pytest.raises(ImageNotFound, match=r"there is no such image .HTTP 404\)$"):
            compute_client.set_metadata(ID, {"a": "x"})

    def test_nobody_can_say_what_is_missing(self, compute_client, requests_mock):
        requests_mock.post(f"{IMAGE}/metadata", **NO_PATH)
        requests_mock.get(IMAGE, status_code=403)
        with pytest.raises(NotFound):
            compute_client.set_metadata(ID, {"a": "x"})

    def test_too_much_with_what_is_there(self, compute_client, requests_mock):
        requests_mock.post(f"{IMAGE}/metadata", **captures.compute("40-meta-post-129").mock)
        with pytest.raises(Forbidden, match="Image metadata limit exceeded"):
            compute_client.set_metadata(ID, {"a": "x"})

    def test_what_a_database_has_against_names(self, compute_client, requests_mock):
        headers = {"X-Compute-Request-Id": "req-1"}
        requests_mock.post(f"{IMAGE}/metadata", status_code=500, headers=headers)
        requests_mock.get(IMAGE, json=shown({"Foo": "1"}))
        with pytest.raises(ServerError, match=r"req-1\); .* 'Foo' and 'foo' for the same name"):
            compute_client.set_metadata(ID, {"foo": "2"})


class TestRemove:
    def test_a_key(self, compute_client, requests_mock):
        answer = captures.compute("40-meta-delete-key")
        requests_mock.delete(f"{IMAGE}/metadata/a%3Ab%20c", **answer.mock)
        compute_client.remove_metadata(ID, "a:b c")

    def test_a_key_that_is_not_there(self, compute_client, requests_mock):
        answer = captures.compute("40-meta-delete-key-missing")
        requests_mock.delete(f"{IMAGE}/metadata/z", **answer.mock)
        with pytest.raises(NotFound, match="Invalid metadata key"):
            compute_client.remove_metadata(ID, "z")

    def test_a_service_without_such_a_path(self, compute_client, requests_mock):
        requests_mock.delete(f"{IMAGE}/metadata/z", **NO_PATH)
        requests_mock.get(IMAGE, json=shown({"z": "1"}))
        with pytest.raises(ApiNotAvailable, match="no API for writing the properties"):
            compute_client.remove_metadata(ID, "z")
        requests_mock.get(IMAGE, json=shown({}))
        with pytest.raises(NotFound):
            compute_client.remove_metadata(ID, "z")

    def test_a_page(self, compute_client, requests_mock):
        requests_mock.delete(f"{IMAGE}/metadata/z", **PAGE)
        requests_mock.get(IMAGE, json=shown({"z": "1"}))
        with pytest.raises(ForeignAnswer):
            compute_client.remove_metadata(ID, "z")


class TestDelete:
    def test_an_image(self, compute_client, requests_mock):
        requests_mock.delete(IMAGE, **captures.compute("30-delete-ok").mock)
        compute_client.delete(ID)

    @pytest.mark.parametrize(
        ("file", "error"),
        [("30-delete-protected", Forbidden), ("30-delete-again", ImageNotFound)],
    )
    def test_refused(self, compute_client, requests_mock, file, error):
        requests_mock.delete(IMAGE, **captures.compute(file).mock)
        with pytest.raises(error):
            compute_client.delete(ID)

    @pytest.mark.parametrize(
        "after",
        [{"status_code": 404}, {"text": json.dumps({"image": {"id": ID, "status": "DELETED"}})}],
    )
    def test_a_lost_answer_is_looked_up(self, compute_client, requests_mock, after):
        requests_mock.delete(IMAGE, text=reset)
        requests_mock.get(IMAGE, **after)
        compute_client.delete(ID)
        assert [sent.method for sent in requests_mock.request_history] == ["DELETE", "GET"]

    def test_a_lost_request_is_an_error(self, compute_client, requests_mock):
        requests_mock.delete(IMAGE, text=reset)
        requests_mock.get(IMAGE, json=shown({}))
        with pytest.raises(ConnectionFailed):
            compute_client.delete(ID)

    def test_an_image_that_goes_slowly(self, compute_client, requests_mock, naps, caplog):
        """Newer services show it until its data is removed."""
        requests_mock.delete(IMAGE, text=reset)
        requests_mock.get(IMAGE, [{"json": shown({})}, {"status_code": 404}])
        compute_client.delete(ID)
        assert naps == [0.5]
        assert f"image {ID} is ACTIVE still: waiting for that, 10 seconds at most" in caplog.text

    def test_a_page(self, compute_client, requests_mock):
        requests_mock.delete(IMAGE, **PAGE)
        requests_mock.get(IMAGE, json=shown({}))
        with pytest.raises(ForeignAnswer):
            compute_client.delete(ID)

    def test_a_service_that_deletes_no_images(self, compute_client, requests_mock):
        requests_mock.delete(IMAGE, **NO_PATH)
        requests_mock.get(IMAGE, json=shown({}))
        with pytest.raises(ApiNotAvailable, match="no API for deleting an image"):
            compute_client.delete(ID)

    def test_a_failure_of_the_service_may_leave_a_part(self, compute_client, requests_mock):
        requests_mock.delete(IMAGE, status_code=500, text="Oops")
        with pytest.raises(ServerError, match="its data may be gone in part now: delete it again"):
            compute_client.delete(ID)


@pytest.mark.parametrize(
    ("metadata", "done"),
    [
        ({"a": "1", "b": "2"}, {"set"}),
        ({"a": "1"}, {"set", "purge"}),
        ({"b": "2"}, {"remove"}),
        (None, set()),
    ],
)
@pytest.mark.parametrize("what", ["set", "purge", "remove"])
def test_a_lost_answer_about_metadata(compute_client, requests_mock, metadata, done, what):
    """It is looked up; where that fails, the first error is the one that counts."""
    requests_mock.get(IMAGE, json=shown(metadata), status_code=403 if metadata is None else 200)
    for method, path in (("POST", ""), ("PUT", ""), ("DELETE", "/a")):
        requests_mock.register_uri(method, f"{IMAGE}/metadata{path}", text=reset)
    calls = {
        "set": lambda: compute_client.set_metadata(ID, {"a": "1"}),
        "purge": lambda: compute_client.set_metadata(ID, {"a": "1"}, purge=True),
        "remove": lambda: compute_client.remove_metadata(ID, "a"),
    }
    refused = contextlib.nullcontext() if what in done else pytest.raises(ConnectionFailed)
    with refused:
        calls[what]()
    assert len([sent for sent in requests_mock.request_history if sent.method != "GET"]) == 1


def test_metadata_that_was_written_but_cannot_be_looked_at(compute_client, requests_mock):
    requests_mock.put(f"{IMAGE}/metadata", json={"metadata": {"a": "1"}})
    requests_mock.get(IMAGE, status_code=403)
    with pytest.raises(Forbidden):
        compute_client.set_metadata(ID, {"a": "1"}, purge=True)
