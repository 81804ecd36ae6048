"""The recordings say what the notes on the wire say."""

import pytest

from tests.unit import captures


def test_a_recording_has_status_headers_and_body():
    answer = captures.image_v1("04-list", "list")
    assert answer.status == 200
    assert answer.header("x-openstack-request-id").startswith("req-")
    assert [image["name"] for image in answer.json["images"]] == ["adm-public"]


def test_a_recording_whose_body_was_cut_is_no_answer():
    with pytest.raises(ValueError, match="cut"):
        captures.image_v1("04-list", "list ?is_public=none&limit=1000")


def test_a_recording_of_the_compute_service():
    answer = captures.compute("10-detail-limit-2b")
    assert answer.status == 200
    assert len(answer.json["images"]) == 2
    assert answer.mock["content"] == answer.body
