"""The database servers that Glance's records may be kept in: MariaDB and PostgreSQL.

They run as the images' database alone; Keystone and Nova stay with SQLite.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cloud.places import Places
from tests.cloud.processes import Service, as_user
from tests.cloud.reports import CloudError, tail
from tests.cloud.worlds import program

#: As Pike's installation guide makes it: names are compared without case and accents.
_MARIADB = """\
[mysqld]
datadir = {folder}/data
# In its folder, whose path may be longer than a socket's may.
socket = socket
pid-file = {folder}/pid
port = {port}
bind-address = 127.0.0.1
character-set-server = utf8
collation-server = utf8_general_ci
# It may forget what it was told last, as SQLite may here.
innodb_flush_log_at_trx_commit = 0
innodb_log_file_size = 16M
innodb_buffer_pool_size = 64M
performance_schema = off
skip-log-bin
"""


@dataclass(frozen=True)
class Engine:
    """A database server of one cloud."""

    kind: str
    places: Places
    port: int

    @property
    def folder(self) -> Path:
        """Where it keeps its data."""
        return folder_of(self.places)

    @property
    def connection(self) -> str:
        """What Glance's configuration calls it."""
        where = f"glance:glance@127.0.0.1:{self.port}/glance"
        if self.kind == "mariadb":
            return f"mysql+pymysql://{where}?charset=utf8"
        return f"postgresql://{where}"

    @property
    def service_user(self) -> str | None:
        """Who it runs as, if not as who runs this: PostgreSQL refuses to be root's."""
        if os.getuid() != 0 or self.kind != "postgresql":
            return None
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name).pw_name
            except KeyError:
                continue
        raise CloudError("PostgreSQL refuses to run as root; there is no user postgres or nobody")

    @property
    def service(self) -> Service:
        """How it is started, asked and ended."""
        if self.kind == "mariadb":
            ask = (*self._client("mariadb-admin"), "ping")
            command = [program("mariadbd"), f"--defaults-file={self.folder}/my.cnf"]
            # It runs as root only if that is said.
            command += ["--user=root"] if os.getuid() == 0 else []
            return Service("database", "MariaDB", self.port, command, asked_by=ask)
        command = [program("postgres"), "-D", f"{self.folder}/data", "-p", str(self.port)]
        for setting in ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"):
            command += ["-c", setting]
        ask = (program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port))
        # SIGTERM would wait until everyone who is connected has gone.
        return Service(
            "database",
            "PostgreSQL",
            self.port,
            command,
            asked_by=ask,
            user=self.service_user,
            stop_signal=signal.SIGINT,
            folder=self.folder,
        )

    def write(self) -> None:
        """Make its folder and its configuration."""
        self.places.engine.mkdir(parents=True, exist_ok=True)
        folder = self.places.engine
        user = self.service_user
        if user:
            # Who it runs as cannot look into root's folders.
            folder = Path(tempfile.mkdtemp(prefix="osc-image-v1-postgresql-"))
            shutil.chown(folder, user)
        (self.places.engine / "folder").write_text(f"{folder}\n")
        if self.kind == "mariadb":
            (folder / "my.cnf").write_text(_MARIADB.format(folder=folder, port=self.port))

    def make(self) -> None:
        """Make its own tables; it does not run after that."""
        if self.kind == "mariadb":
            command = [program("mariadb-install-db"), f"--defaults-file={self.folder}/my.cnf"]
            command += ["--auth-root-authentication-method=normal", "--skip-test-db"]
            self._run([*command, *(["--user=root"] if os.getuid() == 0 else [])])
        else:
            command = [program("initdb"), "-D", f"{self.folder}/data", "-U", "postgres"]
            self._run([*command, "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust"])

    def create_database(self) -> None:
        """Make Glance's database and its user, in the running server."""
        if self.kind == "mariadb":
            self.execute(
                "CREATE DATABASE glance CHARACTER SET utf8 COLLATE utf8_general_ci; "
                "GRANT ALL ON glance.* TO 'glance'@'127.0.0.1' IDENTIFIED BY 'glance'",
                database="",
            )
        else:
            self.execute("CREATE ROLE glance LOGIN PASSWORD 'glance'", database="postgres")
            self.execute("CREATE DATABASE glance OWNER glance", database="postgres")

    def execute(self, statement: str, database: str = "glance") -> str:
        """Run SQL as the server's own administrator; what it printed, fields between tabs."""
        if self.kind == "mariadb":
            command = [*self._client("mariadb"), "-N", "-B", *database.split()]
        else:
            command = [program("psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
            command += ["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1"]
            command += ["-d", database]
        # An argument would have to be short.
        done = subprocess.run(command, input=statement, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CloudError(f"{self.kind}: {done.stderr.strip()}")
        return done.stdout

    def _client(self, name: str) -> Sequence[str]:
        where = ("--protocol=tcp", "--host=127.0.0.1", f"--port={self.port}", "--user=root")
        return (program(name), "--no-defaults", *where)

    def _run(self, command: Sequence[str]) -> None:
        log = self.places.log("make-database")
        with log.open("ab") as out:
            status = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.folder,
                check=False,
                **as_user(self.service_user),
            ).returncode
        if status:
            raise CloudError(f"{command[0]} ended with {status}. {tail(log)}")


def folder_of(places: Places) -> Path:
    """Where the cloud's database server keeps its data, which may be elsewhere."""
    return Path((places.engine / "folder").read_text().strip())


def forget(places: Places) -> None:
    """Delete it."""
    if (places.engine / "folder").exists():
        shutil.rmtree(folder_of(places), ignore_errors=True)


def engine(places: Places, ports: Mapping[str, int]) -> Engine | None:
    """The cloud's database server, if it has one."""
    if places.world.database == "sqlite":
        return None
    return Engine(places.world.database, places, ports["database"])
