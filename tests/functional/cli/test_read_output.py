"""What the read commands print, and what they ask for it."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from typing import Any

import pytest
import yaml
from keystoneauth1.adapter import Adapter

from osc_image_v1.api import ComputeImageClient, ImageClient, ImageQuery
from osc_image_v1.api.records import format_time
from tests.cloud import BY_KEY

CIRROS = BY_KEY["cirros"]


@pytest.fixture
def client(session: Any) -> ImageClient:
    return ImageClient(Adapter(session("admin"), service_type="image", interface="public"))


def _long_row(image: Any) -> dict[str, Any]:
    return {
        "ID": image.id,
        "Name": image.name,
        "Disk Format": image.disk_format,
        "Container Format": image.container_format,
        "Size": image.size,
        "Checksum": image.checksum,
        "Status": image.status,
        "Visibility": "public" if image.is_public else "private",
        "Protected": image.protected,
        "Project": image.owner,
        "Min Disk": image.min_disk,
        "Min RAM": image.min_ram,
        "Created At": format_time(image.created_at),
        "Updated At": format_time(image.updated_at),
        "Deleted At": image.deleted_at and format_time(image.deleted_at),
        "Virtual Size": image.virtual_size,
        "Properties": dict(image.properties),
    }


@pytest.mark.parametrize("options", [(), ("--long",)], ids=["brief", "long"])
def test_formats_equal_the_api(options: tuple[str, ...], client: Any, openstack: Any) -> None:
    images = list(client.images_detail(ImageQuery(visibility="all")))
    wanted = [_long_row(image) for image in images]
    if not options:
        wanted = [dict(list(row.items())[:7]) for row in wanted]
    command = ("image", "v1", "list", "--all", *options)
    assert openstack(*command, "-f", "json").json == wanted
    assert openstack(*command, "-f", "json", "--noindent").json == wanted
    assert yaml.safe_load(openstack(*command, "-f", "yaml").out) == wanted
    rows = list(csv.reader(io.StringIO(openstack(*command, "-f", "csv").out, newline="")))
    assert rows[0] == list(wanted[0])
    assert [row[0] for row in rows[1:]] == [row["ID"] for row in wanted]
    names = {row["ID"]: row["Name"] for row in wanted}
    # csv's escape character is cliff's choice.
    assert all(
        row[1] == (names[row[0]] or "") for row in rows[1:] if "\\" not in (names[row[0]] or "")
    )


def test_value_is_exact(openstack: Any) -> None:
    for key in ("name-escape", "name-rtl", "name-umlauts", "name-percent", "name-html"):
        seed = BY_KEY[key]
        result = openstack("image", "v1", "show", seed.id, "-f", "value", "-c", "name")
        assert result.out == f"{seed.name}\n"
        result = openstack(
            "image", "v1", "list", f"--name={seed.name}", "-f", "value", "-c", "Name"
        )
        assert result.out == f"{seed.name}\n"


def test_tables_are_safe(openstack: Any) -> None:
    for command in (
        ("image", "v1", "list", "--all", "--long"),
        ("image", "v1", "show", BY_KEY["properties-v2"].id),
        ("image", "v1", "show", BY_KEY["name-escape"].id),
        ("compute", "image", "list", "--long"),
        ("compute", "image", "show", BY_KEY["properties-v2"].id),
        ("image", "v1", "show", "\x1b[31mnone\x1b[0m\n"),
        ("image", "v1", "list", "--marker", "\x1b[31mnone"),
    ):
        result = openstack(*command)
        for text in (result.out, result.err):
            assert not set(text) & set("\x1b\x07\x08\r\u202e"), command
        assert max(map(len, result.err.splitlines()), default=0) < 2000
    table = openstack("image", "v1", "list", "--name", str(BY_KEY["name-escape"].name)).out
    assert r"\x1b[31mred\x1b[0m" in table


def test_columns_and_sorting(openstack: Any) -> None:
    rows = openstack(
        *("image", "v1", "list", "-c", "Name", "-c", "Size", "-f", "json"),
        *("--sort-column", "Size", "--sort-descending"),
    ).json
    assert all(list(row) == ["Name", "Size"] for row in rows)
    sizes = [row["Size"] for row in rows if row["Size"] is not None]
    assert sizes == sorted(sizes, reverse=True)
    out = openstack("image", "v1", "list", "--limit", "3", "-f", "value", "-c", "ID").out
    assert len(out.split()) == 3


def test_human_readable(openstack: Any) -> None:
    rows = openstack(
        *("image", "v1", "list", "--name", "ubuntu", "--human-readable", "-f", "json")
    ).json
    assert [row["Size"] for row in rows] == ["2.0 MiB"]
    shown = openstack("compute", "image", "show", "ubuntu", "--human-readable", "-f", "json").json
    assert shown["size"] == "2.0 MiB"


def test_show(openstack: Any, cloud: Any) -> None:
    for name_or_id in ("ubuntu", BY_KEY["ubuntu"].id):
        shown = openstack("image", "v1", "show", name_or_id, "-f", "json").json
        seed = BY_KEY["ubuntu"]
        assert shown["id"] == seed.id
        assert shown["owner"] == cloud.projects["admin"]
        assert shown["properties"] == dict(seed.properties)
        assert (shown["size"], shown["checksum"]) == (seed.size, seed.checksum)
        assert (shown["min_disk"], shown["min_ram"], shown["protected"]) == (8, 512, False)


@pytest.mark.parametrize(
    "key", [seed.key for seed in BY_KEY.values() if seed.kind == "name" and seed.name]
)
def test_show_by_awkward_name(key: str, openstack: Any) -> None:
    seed = BY_KEY[key]
    for command in (("image", "v1", "show"), ("compute", "image", "show")):
        result = openstack(*command, "-f", "json", "-c", "id", "--", seed.name)
        if key == "name-of-another-id":
            assert result.json == {"id": CIRROS.id}
        else:
            assert result.json == {"id": seed.id}


@pytest.mark.parametrize("key", ["properties-100", "properties-127"])
def test_more_properties_than_python_reads_headers(key: str, openstack: Any) -> None:
    shown = openstack("image", "v1", "show", BY_KEY[key].id, "-f", "json").json
    assert shown["properties"] == dict(BY_KEY[key].properties)


@pytest.mark.parametrize("key", ["name-newline", "properties-newline", "properties-v2"])
def test_line_breaks_cut_off_no_field(key: str, client: Any, openstack: Any) -> None:
    seed = BY_KEY[key]
    shown = openstack("image", "v1", "show", seed.id, "-f", "json").json
    assert shown["name"] == seed.name
    assert shown["properties"] == dict(seed.properties)
    assert (shown["status"], shown["checksum"]) == (seed.status, seed.checksum)
    assert shown["is_public"] is True


def test_admin_finds_what_other_projects_keep(openstack: Any) -> None:
    for command in (("image", "v1", "show"), ("compute", "image", "show")):
        found = openstack(*command, "demo-private", "-f", "json").json
        assert found["id"] == BY_KEY["demo-private"].id
        result = openstack(*command, "demo-private", cloud="other")
        assert result.status == 1
        assert result.err.strip() == "No image has the name or ID 'demo-private'"
        result = openstack(*command, BY_KEY["demo-private"].id, cloud="other")
        assert result.status == 1
        assert len(result.err.splitlines()) == 1


def test_ambiguous_name(openstack: Any) -> None:
    for command in (("image", "v1", "show"), ("compute", "image", "show")):
        result = openstack(*command, "twin")
        assert result.status == 1
        assert len(result.err.splitlines()) == 1
        assert BY_KEY["twin-1"].id in result.err
        assert BY_KEY["twin-2"].id in result.err


def test_requests(openstack: Any, count: Any) -> None:
    """No request more than the job needs, and none of the service's root."""
    total = len(openstack("image", "v1", "list", "-f", "json").json)
    uuid_name = str(BY_KEY["name-uuid"].name)
    expected: list[tuple[str, int, tuple[str, ...]]] = [
        ("image", 2, ("image", "v1", "list")),
        ("image", 2, ("image", "v1", "list", "--long", "--all")),
        ("image", 1, ("image", "v1", "list", "--limit", "5")),
        # A page that is short of what was asked may be the service's own cap.
        ("image", 2, ("image", "v1", "list", "--limit", "1000")),
        ("image", 2, ("image", "v1", "list", "--limit", "5", "--name", "cirros")),
        ("image", 1, ("image", "v1", "list", "--limit", "1", "--name", "cirros")),
        # Brief records cannot be checked for these: whole ones, in as many requests.
        ("image", 2, ("image", "v1", "list", "--status", "active", "--min-ram", "0")),
        ("image", 2, ("image", "v1", "list", "--sort", "size:desc", "--limit", "2")),
        ("image", 0, ("image", "v1", "list", "--limit", "0")),
        ("image", -(-total // 50), ("image", "v1", "list", "--page-size", "50")),
        ("image", 1, ("image", "v1", "show", CIRROS.id)),
        ("image", 1, ("image", "v1", "show", "cirros")),
        ("image", 1, ("image", "v1", "show", "Übergröße für Jürgen")),
        ("image", 2, ("image", "v1", "show", uuid_name)),
        ("compute", 1, ("compute", "image", "list")),
        ("compute", 1, ("compute", "image", "list", "--limit", "5")),
        ("compute", 1, ("compute", "image", "show", CIRROS.id)),
        ("compute", 1, ("compute", "image", "show", "cirros")),
        ("compute", 2, ("compute", "image", "show", uuid_name)),
    ]
    for service, number, command in expected:
        other = {"image": "compute", "compute": "target-image"}[service]
        with count(service) as requests, count(other) as elsewhere:
            assert openstack(*command).status == 0
        assert len(requests) == number, (command, requests)
        assert not elsewhere
        assert all("/images" in request.target for request in requests)
        if service == "compute":
            assert {request.api_version for request in requests} == {"compute 2.1"}


def test_wrong_input_is_refused_before_any_request(openstack: Any, count: Any) -> None:
    wrong = [
        ("--min-size", "-1"),
        ("--min-size", "big"),
        ("--max-size", "10X"),
        ("--min-size", "2", "--max-size", "1"),
        ("--limit", "-1"),
        ("--limit", "x"),
        ("--page-size", "0"),
        ("--page-size", "1001"),
        ("--sort", "owner"),
        ("--sort", "name:up"),
        ("--changes-since", "yesterday"),
        ("--changes-since", "2026-13-01"),
        ("--changes-since", "999999999w"),
        ("--marker", "x"),
        ("--marker", ""),
        ("--status", "broken"),
        ("--checksum", "abc"),
        ("--property", "novalue"),
        ("--min-disk", "1.5"),
        ("--public", "--private"),
        ("--protected", "--unprotected"),
        ("--project", ""),
        ("--nonsense",),
        ("surplus",),
    ]
    with count("image") as image, count("compute") as compute:
        for options in wrong:
            result = openstack("image", "v1", "list", *options)
            assert result.status in (1, 2), options
            assert result.out == "", options
            assert "Traceback" not in result.err
            assert result.err.strip(), options
        for options in (
            ("--server", "web1"),
            ("--status", "broken"),
            ("--limit", "-1"),
            ("--marker", ""),
            ("--changes-since", "x"),
            ("--min-ram", "x"),
            ("--type", ""),
        ):
            result = openstack("compute", "image", "list", *options)
            assert result.status in (1, 2), options
            assert result.out == ""
        for command in (("image", "v1", "show"), ("compute", "image", "show")):
            assert openstack(*command, "").status in (1, 2)
            assert openstack(*command).status == 2
    assert (image, compute) == ([], [])


def test_what_the_service_refuses(openstack: Any) -> None:
    unknown = "11111111-2222-3333-4444-555555555555"
    result = openstack("image", "v1", "list", "--marker", unknown)
    assert result.status == 1
    assert result.err.startswith("Cannot list images: Invalid marker. Image could not be found.")
    assert "HTTP 400, request req-" in result.err
    result = openstack(
        "compute", "image", "list", "--marker", BY_KEY["demo-private"].id, cloud="other"
    )
    assert result.status == 1
    assert len(result.err.splitlines()) == 1
    result = openstack("image", "v1", "list", "--project", "no such project")
    assert (result.status, result.err.strip()) == (
        1,
        "No project has the name or ID 'no such project'",
    )


@pytest.mark.parametrize(
    "command",
    [
        ("image", "v1", "list"),
        ("image", "v1", "show", CIRROS.id),
        ("image", "v1", "show", "cirros"),
    ],
)
def test_service_without_v1(command: tuple[str, ...], openstack: Any) -> None:
    result = openstack(*command, cloud="target")
    assert result.status == 1
    assert result.out == ""
    assert len(result.err.splitlines()) == 1
    assert "has no API v1, it offers v2" in result.err
    assert "openstack image" in result.err


def test_endpoints(openstack: Any, cloud: Any, session: Any, count: Any) -> None:
    root = cloud.urls["image"].rstrip("/")
    token = ("--os-auth-type", "admin_token", "--os-token", session("admin").get_token())
    for spelling in ("", "/", "/v1", "/v1/", "/v1.0", "/v1.1", "/v2", "/v2.5/"):
        for override in (
            ("--os-image-v1-endpoint-override", root + spelling),
            ("--os-auth-type", "none", "--os-endpoint", root + spelling),
            (*token, "--os-endpoint", root + spelling),
        ):
            chosen = None if "--os-auth-type" in override else "admin"
            with count("image") as requests:
                result = openstack(
                    *override, "image", "v1", "list", "--limit", "3", "-f", "json", cloud=chosen
                )
            assert len(result.json) == 3
            kept = spelling if spelling in ("/v1.0", "/v1.1") else "/v1"
            assert [request.target for request in requests] == [f"{kept}/images/detail?limit=3"]
    project = cloud.projects["admin"]
    nova = cloud.urls["compute"].rstrip("/").removesuffix("/v2.1")
    for spelling in ("/v2.1", "/v2.1/", f"/v2.1/{project}", "/v2", f"/v2/{project}", "", "/"):
        result = openstack(
            *(*token, "--os-endpoint", nova + spelling, "compute", "image", "list", "-f", "json"),
            cloud=None,
        )
        assert len(result.json) > 60


def test_settings_in_clouds_yaml(
    openstack: Any, cloud: Any, monkeypatch: Any, tmp_path: Any
) -> None:
    clouds = yaml.safe_load(cloud.clouds_yaml.read_text())
    clouds["clouds"]["admin"]["region_name"] = "NoSuchRegion"
    file = tmp_path / "clouds.yaml"
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
    file.write_text(yaml.safe_dump(clouds))
    result = openstack("image", "v1", "list")
    assert result.status == 1
    assert "NoSuchRegion" in result.err
    for key in ("image_endpoint_override", "image_v1_endpoint_override"):
        clouds["clouds"]["admin"][key] = cloud.urls["image"]
        file.write_text(yaml.safe_dump(clouds))
        assert len(openstack("image", "v1", "list", "-f", "json").json) > 60
        del clouds["clouds"]["admin"][key]
    clouds["clouds"]["admin"]["region_name"] = "RegionOne"
    clouds["clouds"]["admin"]["compute_default_microversion"] = "2.90"
    file.write_text(yaml.safe_dump(clouds))
    assert len(openstack("compute", "image", "list", "-f", "json").json) > 60
    clouds["clouds"]["admin"]["image_v1_timeout"] = "soon"
    file.write_text(yaml.safe_dump(clouds))
    assert "soon" in openstack("image", "v1", "list").err


def test_shell_knows_the_commands(run_openstack: Any) -> None:
    listed = run_openstack("command", "list", "--group", "openstack.image_v1.v1").stdout.decode()
    completion = run_openstack("complete").stdout.decode()
    for words in ("image v1 list", "image v1 show", "compute image list", "compute image show"):
        assert words in listed
        helped = run_openstack("help", *words.split())
        assert helped.returncode == 0
        assert "--human-readable" in helped.stdout.decode()
        assert "cmds_" + "_".join(words.split()[:-1]) in completion
    stock = run_openstack("image", "list", "-f", "value", "-c", "ID")
    assert stock.returncode == 0
    assert CIRROS.id in stock.stdout.decode()


def test_closed_pipe(cloud: Any) -> None:
    shell = f"{sys.executable} -m openstackclient.shell --os-cloud admin"
    done = subprocess.run(
        ["bash", "-c", f"{shell} image v1 list -f csv --page-size 1 | head -n 1"],
        capture_output=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.startswith(b'"ID"')
    assert b"Traceback" not in done.stderr


def test_secrets_stay_secret(run_openstack: Any, session: Any, cloud: Any) -> None:
    token = session("admin").get_token()
    done = run_openstack(
        *("--debug", "--os-auth-type", "admin_token", "--os-endpoint", cloud.urls["image"]),
        *("image", "v1", "list", "--long"),
        cloud=None,
        env={**_environ(), "OS_TOKEN": token},
    )
    assert done.returncode == 0
    assert token.encode() not in done.stdout + done.stderr
    done = run_openstack("--debug", "compute", "image", "list")
    assert done.returncode == 0
    assert b"adminpw" not in done.stdout + done.stderr


def _environ() -> dict[str, str]:
    import os

    return dict(os.environ)


def test_compute_image_of_the_api(session: Any, openstack: Any) -> None:
    client = ComputeImageClient(Adapter(session("admin"), service_type="compute"))
    images = list(client.images())
    rows = openstack("compute", "image", "list", "--long", "-f", "json").json
    assert [row["ID"] for row in rows] == [image.id for image in images]
    assert [row["Properties"] for row in rows] == [dict(image.metadata) for image in images]
    assert [row["Created At"] for row in rows] == [format_time(i.created_at) for i in images]
    snapshot = next(row for row in rows if row["ID"] == BY_KEY["snapshot-a"].id)
    assert snapshot["Server"] == BY_KEY["snapshot-a"].properties["instance_uuid"]
    assert client.get(CIRROS.id) == next(image for image in images if image.id == CIRROS.id)
