"""What stands in front of the services: nginx, HAProxy or Apache, as an operator leaves them.

Each has the same doors:

=============================== =================================================================
``front-image``                 Glance 15 over HTTP; and ``front-compute``, Nova
``front-tls-image``             Glance 15 over TLS, with a certificate of an authority of its own;
                                and ``front-tls-compute`` and ``front-tls-identity``
``front-short-image``           as the first, but waits for the service for two seconds only, and
                                lets bodies of any size through
``front-wide-image``            TLS, and all limits raised by an operator who has thought of images
=============================== =================================================================
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

from tests.cloud.places import Places, replace_text
from tests.cloud.processes import Service
from tests.cloud.reports import CloudError
from tests.cloud.worlds import program

#: What ``front-short-image`` waits for a service, in seconds.
SHORT = 2

_NGINX = """\
user root;
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  ssl_certificate {folder}/server.pem;
  ssl_certificate_key {folder}/server.key;
  gzip on;
{servers}\
}}
"""

_NGINX_SERVER = """\
  # {name}
  server {{
    listen 127.0.0.1:{port}{tls};
    {settings}
    location / {{
      proxy_pass http://127.0.0.1:{behind};
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
"""

_NGINX_SETTINGS = {
    "short": f"client_max_body_size 0; proxy_read_timeout {SHORT}s;",
    "wide": "client_max_body_size 0; proxy_request_buffering off; proxy_http_version 1.1; "
    "proxy_buffer_size 128k; proxy_buffers 8 128k; proxy_busy_buffers_size 256k; "
    "large_client_header_buffers 8 64k;",
}

#: Time-outs are those of Debian's file.
_HAPROXY = """\
global
  maxconn 200
  nbthread 1
defaults
  mode http
  timeout connect 5000
  timeout client 50000
  timeout server 50000
  option forwardfor
{servers}"""

_HAPROXY_SERVER = """\
frontend {name}
  bind 127.0.0.1:{port}{tls}
  http-request set-header X-Forwarded-Proto {scheme}
  default_backend {name}
backend {name}
  {settings}
  server it 127.0.0.1:{behind}
"""

_APACHE = """\
ServerRoot {folder}
PidFile {folder}/pid
ErrorLog {folder}/error.log
ServerName 127.0.0.1
Mutex file:{folder} default
User www-data
Group www-data
{modules}\
SSLCertificateFile {folder}/server.pem
SSLCertificateKeyFile {folder}/server.key
LogFormat "%p %>s %r" short
CustomLog {folder}/access.log short
{servers}"""

_APACHE_MODULES = (
    "mpm_event",
    "authz_core",
    "headers",
    "proxy",
    "proxy_http",
    "ssl",
    "socache_shmcb",
)

_APACHE_SERVER = """\
# {name}
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
{tls}\
ProxyPreserveHost On
RequestHeader set X-Forwarded-Proto {scheme}
{settings}
ProxyPass / http://127.0.0.1:{behind}/ {more}
</VirtualHost>
"""

_APACHE_SETTINGS = {
    "short": f"ProxyTimeout {SHORT}",
    "wide": "LimitRequestFields 1000\nLimitRequestFieldSize 65536",
}


def write(places: Places, ports: Mapping[str, int]) -> None:
    """Write the certificates and the configuration."""
    places.front.mkdir(parents=True, exist_ok=True)
    _certify(places)
    kind = places.world.front_end
    text = {"nginx": _nginx, "haproxy": _haproxy, "apache": _apache}[kind](places, ports)
    replace_text(places.front / "configuration", text)


def table(places: Places, ports: Mapping[str, int]) -> list[Service]:
    """The one process in front; none in a cloud without."""
    config = str(places.front / "configuration")
    kind, port = places.world.front_end, ports.get("front-image", 0)
    if kind == "nginx":
        command = (program("nginx"), "-e", str(places.front / "error.log"), "-c", config)
        return [Service("front-end", "nginx", port, (*command, "-p", str(places.front)))]
    if kind == "haproxy":
        return [Service("front-end", "HAProxy", port, (program("haproxy"), "-f", config))]
    if kind == "apache":
        command = (program("apache2"), "-f", config, "-D", "FOREGROUND")
        return [Service("front-end", "Apache", port, command, stale=places.front / "pid")]
    return []


def _doors(ports: Mapping[str, int]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for name in (name for name in ports if name.startswith("front-")):
        service = name.rpartition("-")[2]
        tls = "-tls-" in name or "-wide-" in name
        scheme = "https" if tls else "http"
        words = {"name": name, "port": ports[name], "behind": ports[service], "scheme": scheme}
        kind = name.split("-")[1]
        found.append({**words, "kind": kind, "is_tls": tls})
    return found


def _nginx(places: Places, ports: Mapping[str, int]) -> str:
    servers = [
        _NGINX_SERVER.format(
            tls=" ssl" if door["is_tls"] else "",
            settings=_NGINX_SETTINGS.get(str(door["kind"]), ""),
            **door,
        )
        for door in _doors(ports)
    ]
    return _NGINX.format(folder=places.front, servers="".join(servers))


def _haproxy(places: Places, ports: Mapping[str, int]) -> str:
    certificate = f" ssl crt {places.front}/both.pem"
    servers = [
        _HAPROXY_SERVER.format(
            tls=certificate if door["is_tls"] else "",
            settings=f"timeout server {SHORT}s" if door["kind"] == "short" else "",
            **door,
        )
        for door in _doors(ports)
    ]
    # Its limits are those of the process, not of a door: "wide" is as "tls" here.
    return _HAPROXY.format(servers="".join(servers))


def _apache(places: Places, ports: Mapping[str, int]) -> str:
    servers = [
        _APACHE_SERVER.format(
            tls="SSLEngine on\n" if door["is_tls"] else "",
            settings=_APACHE_SETTINGS.get(str(door["kind"]), ""),
            more="responsefieldsize=65536" if door["kind"] == "wide" else "",
            **door,
        )
        for door in _doors(ports)
    ]
    modules = [
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
        for name in _APACHE_MODULES
    ]
    return _APACHE.format(folder=places.front, modules="".join(modules), servers="".join(servers))


def authority(places: Places) -> str:
    """The certificate to trust, for ``cacert``."""
    return str(places.front / "authority.pem")


def _certify(places: Places) -> None:
    """Make an authority, and a certificate of it for 127.0.0.1."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl(
        places,
        *("req", "-x509", *key, "-days", "3650", "-subj", "/CN=tests.cloud"),
        *("-keyout", "authority.key", "-out", "authority.pem"),
    )
    request = ("req", *key, "-subj", "/CN=127.0.0.1", "-keyout", "server.key")
    _openssl(places, *request, "-out", "server.csr")
    replace_text(places.front / "names", "subjectAltName=IP:127.0.0.1\n")
    _openssl(
        places,
        *("x509", "-req", "-in", "server.csr", "-CA", "authority.pem", "-CAkey", "authority.key"),
        *("-CAcreateserial", "-days", "3650", "-extfile", "names", "-out", "server.pem"),
    )
    both = [(places.front / name).read_text() for name in ("server.pem", "server.key")]
    replace_text(places.front / "both.pem", "".join(both))
    for name in ("both.pem", "server.key", "authority.key"):
        (places.front / name).chmod(0o600)


def _openssl(places: Places, *words: str) -> None:
    command = [program("openssl"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=places.front)
    if done.returncode:
        raise CloudError(f"openssl {words[0]} ended with {done.returncode}: {done.stderr}")
