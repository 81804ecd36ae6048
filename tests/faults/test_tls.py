"""The shell's TLS options count, with a real TLS service on loopback."""

from __future__ import annotations

import datetime
import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.faults.server import FakeImage, Service, instead
from tests.faults.test_save_alone import Start, ended

_LIST = ("image", "v1", "list", "-f", "value", "-c", "Name")


def make_certificate(path: Path, address: str) -> Path:
    """Write a key and a certificate that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, path.name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    there: Any = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(there, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_format = serialization.PrivateFormat.PKCS8
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, key_format, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "right.pem", "127.0.0.1")


@pytest.mark.parametrize("option", ["--os-cacert", "--insecure"])
def test_options_let_it_through(option: str, start: Start, certificate: Path) -> None:
    words = [option, str(certificate)] if option == "--os-cacert" else [option]
    with Service([FakeImage()], certificate=certificate) as service:
        assert service.url.startswith("https:")
        result = ended(start(service, *words, *_LIST))
    assert (result.status, result.out) == (0, b"an image\n")


@pytest.mark.parametrize("named", [False, True])
def test_an_authority_that_is_not_trusted(
    named: bool, start: Start, certificate: Path, tmp_path: Path
) -> None:
    """The system's authorities do not know it, and another one given by --os-cacert neither."""
    other = make_certificate(tmp_path / "other.pem", "127.0.0.1")
    words = ["--os-cacert", str(other)] if named else []
    with Service([FakeImage()], certificate=certificate) as service:
        result = ended(start(service, *words, *_LIST))
    assert (result.status, result.out, service.asked) == (1, b"", [])
    assert result.err.startswith(f"Cannot list images: TLS with {service.url} failed: ")
    assert "check the URL, or the certificate authority given by --os-cacert" in result.err
    assert result.err.count("\n") == 1


def test_a_certificate_of_another_name(start: Start, tmp_path: Path) -> None:
    other = make_certificate(tmp_path / "other.pem", "192.0.2.1")
    with Service([FakeImage()], certificate=other) as service:
        result = ended(start(service, "--os-cacert", str(other), *_LIST))
    assert (result.status, service.asked) == (1, [])
    assert f"TLS with {service.url} failed: " in result.err
    assert "127.0.0.1" in result.err


def test_no_certificate_there(start: Start) -> None:
    """The service speaks no TLS."""
    with Service([FakeImage()]) as service:
        url = service.url.replace("http:", "https:")
        result = ended(start(service, "--os-endpoint", url, *_LIST))
    assert (result.status, service.asked) == (1, [])
    assert f"TLS with {url} failed: " in result.err


def test_no_downgrade(start: Start, certificate: Path) -> None:
    """A redirect from https to http is not followed."""
    with Service([FakeImage()]) as plain:
        away = instead(302, "", ("Location", f"{plain.url}/v1/images"))
        with Service([FakeImage()], {"list": [away]}, certificate=certificate) as service:
            result = ended(start(service, "--os-cacert", str(certificate), *_LIST))
    assert (result.status, plain.asked) == (1, [])
    assert "which is not followed" in result.err


@pytest.mark.parametrize("trusted", [True, False])
def test_the_other_cloud_of_a_copy(
    trusted: bool,
    start: Start,
    certificate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its own settings count for it, in clouds.yaml."""
    with Service([FakeImage(data=b"data")]) as service, Service([], certificate=certificate) as to:
        there = {"auth_type": "none", "endpoint": to.url, "image_endpoint_override": to.url}
        if trusted:
            there["cacert"] = str(certificate)
        path = tmp_path / "clouds.yaml"
        path.write_text(json.dumps({"clouds": {"there": there, "other": {"auth_type": "none"}}}))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
        words = ("image", "v1", "copy", "-f", "json", "--to-cloud", "there")
        result = ended(start(service, *words))
    assert result.status == (0 if trusted else 1)
    assert list(to.v2_data.values()) == ([b"data"] if trusted else [])
    assert trusted or f"TLS with {to.url} failed" in result.out.decode() + result.err
