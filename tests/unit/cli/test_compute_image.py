"""``compute image list`` and ``compute image show``, from arguments to output."""

import json

import pytest

from osc_image_v1.cli.compute_image import ListComputeImage, ShowComputeImage
from osc_image_v1.exceptions import ImageNotFound
from tests.unit import captures
from tests.unit.conftest import COMPUTE_URL, params_of

DETAIL = COMPUTE_URL + "/images/detail"
UUID = "00000004-1111-4111-8111-000000000004"
SERVER = "5f0e8a3c-0000-4000-8000-00000000aaaa"


@pytest.fixture
def recorded(requests_mock):
    requests_mock.get(DETAIL, **captures.compute("02-detail").mock)
    return captures.compute("02-detail").json["images"]


def test_a_list(compute_shell, recorded, requests_mock):
    listed = json.loads(compute_shell.run(ListComputeImage, "-f", "json"))
    assert listed == [
        {
            "ID": image["id"],
            "Name": image["name"],
            "Status": image["status"],
            "Server": image.get("server", {}).get("id"),
        }
        for image in recorded
    ]
    assert {row["Server"] for row in listed} >= {None, SERVER}
    assert requests_mock.call_count == 1


def test_a_long_list(compute_shell, recorded):
    listed = json.loads(compute_shell.run(ListComputeImage, "-f", "json", "--long"))
    (row,) = [row for row in listed if row["Name"] == "cirros"]
    (image,) = [image for image in recorded if image["name"] == "cirros"]
    assert row == {
        "ID": image["id"],
        "Name": "cirros",
        "Status": "ACTIVE",
        "Server": None,
        "Progress": 100,
        "Size": 1024,
        "Min Disk": 1,
        "Min RAM": 64,
        "Created At": image["created"],
        "Updated At": image["updated"],
        "Properties": image["metadata"],
    }


@pytest.mark.parametrize("output_format", ["table", "csv", "value", "yaml"])
def test_other_formats(compute_shell, recorded, output_format):
    listed = compute_shell.run(ListComputeImage, "-f", output_format, "--long", "--human-readable")
    assert "web1-snap" in listed
    assert "1.0 KiB" in listed
    assert "block_device_mapping" in listed


@pytest.mark.parametrize(
    ("argv", "sent"),
    [
        ([], {}),
        (["--name", "a"], {"name": "a"}),
        (["--name", "a:b"], {}),
        (["--status", "active"], {"status": "ACTIVE"}),
        (["--status", "ERROR"], {}),
        (["--server", f"http://nova/v2.1/servers/{SERVER}"], {"server": SERVER}),
        (["--type", "backup"], {"type": "backup"}),
        (["--min-disk", "1", "--min-ram", "64"], {"minDisk": "1", "minRam": "64"}),
        (["--property", "os_distro=x"], {}),
        (
            ["--changes-since", "2026-11-22T10:00:00+01:00"],
            {"changes-since": "2026-11-22T08:59:59Z"},
        ),
        (["--marker", "12345678"], {"marker": "12345678"}),
        (["--limit", "5"], {"limit": "5"}),
        (["--limit", "5", "--status", "ERROR"], {}),
        (["--page-size", "7"], {"limit": "7"}),
    ],
)
def test_what_options_send(compute_shell, requests_mock, argv, sent):
    requests_mock.get(DETAIL, json={"images": []})
    assert compute_shell.run(ListComputeImage, "-f", "json", *argv) == "[]\n"
    assert params_of(requests_mock.last_request) == {"limit": "1000", **sent}
    assert requests_mock.call_count == 1


@pytest.mark.parametrize(
    ("argv", "names"),
    [
        (["--status", "DELETED"], ["pending"]),
        (["--status", "SAVING"], ["saving", "not-yet-uploaded"]),
        (["--name", "comma,name:colon"], ["comma,name:colon"]),
        (["--property", "os_distro=cirros"], ["cirros"]),
        (["--property", "os_distro=cirros", "--property", "a=1"], []),
        (["--status", "SAVING", "--limit", "1"], ["saving"]),
    ],
)
def test_filters_that_are_made_here(compute_shell, recorded, argv, names):
    listed = compute_shell.run(ListComputeImage, "-f", "value", "-c", "Name", *argv)
    assert listed.splitlines() == names


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--status", "queued"], "argument --status: invalid choice: 'QUEUED'"),
        (["--server", "web1"], "argument --server: 'web1' is no server ID (a UUID)"),
        (["--type", ""], "argument --type: the value is empty"),
        (["--marker", ""], "argument --marker: the value is empty"),
        (["--limit", "1.5"], "argument --limit/--max-items: '1.5' is no whole number"),
        (["--changes-since", "x"], "argument --changes-since: 'x' is no time"),
    ],
)
def test_wrong_arguments_are_refused_before_any_request(
    compute_shell, requests_mock, capsys, argv, message
):
    with pytest.raises(SystemExit):
        compute_shell.run(ListComputeImage, *argv)
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert requests_mock.call_count == 0


@pytest.mark.parametrize("output_format", ["table", "csv", "value", "json", "yaml"])
@pytest.mark.parametrize("wrong", [{"id": {"b": 1}}, ["x", None], 1.5, True, None])
def test_no_record_breaks_a_list(compute_shell, requests_mock, output_format, wrong):
    record = dict.fromkeys(captures.compute("03-show-04").json["image"], wrong)
    requests_mock.get(DETAIL, json={"images": [{**record, "id": "12345678"}, {"id": "x"}]})
    listed = compute_shell.run(ListComputeImage, "-f", output_format, "--long", "--human-readable")
    assert "12345678" in listed


def test_an_image(compute_shell, requests_mock):
    requests_mock.get(f"{COMPUTE_URL}/images/{UUID}", **captures.compute("03-show-04").mock)
    shown = json.loads(compute_shell.run(ShowComputeImage, UUID, "-f", "json"))
    image = captures.compute("03-show-04").json["image"]
    assert shown == {
        "created_at": "2026-11-22T13:31:07Z",
        "disk_config": "AUTO",
        "id": UUID,
        "min_disk": 1,
        "min_ram": 64,
        "name": "web1-snap",
        "progress": 100,
        "properties": image["metadata"],
        "server_id": SERVER,
        "size": 3000,
        "status": "ACTIVE",
        "updated_at": "2026-11-22T13:31:07Z",
    }
    human = compute_shell.run(
        ShowComputeImage, UUID, "-f", "value", "-c", "size", "--human-readable"
    )
    assert human == "2.9 KiB\n"


def test_no_such_image(compute_shell, requests_mock):
    requests_mock.get(f"{COMPUTE_URL}/images/{UUID}", **captures.compute("03-show-missing").mock)
    requests_mock.get(DETAIL, json={"images": []})
    with pytest.raises(ImageNotFound, match=UUID):
        compute_shell.run(ShowComputeImage, UUID)
