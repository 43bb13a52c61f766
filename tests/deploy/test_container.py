"""What the container files promise: no root, nothing writable but the state, nobody but this machine at the door; it starts."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from monitor import app
from monitor.cli import cli

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="module")
def stages() -> list[list[tuple[str, str]]]:
    """The Dockerfile's stages, each a list of (instruction, arguments)."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Dockerfile").read_text())
    lines = [line.partition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    found: list[list[tuple[str, str]]] = []
    for word, _, rest in lines:
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, rest.strip()))
    return found


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read: dict[str, Any] = YAML(typ="safe").load((DEPLOY / "compose.yaml").read_text())
    return read


@pytest.fixture(scope="module")
def service(compose: dict[str, Any]) -> dict[str, Any]:
    (only,) = compose["services"].values()
    return dict(only)


def test_what_runs_is_not_root_and_cannot_install_anything(stages: list[list[tuple[str, str]]]) -> None:
    build, run = stages
    said = dict(run)
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", said["USER"])
    assert [word for word, _ in run].index("USER") > max(i for i, (word, _) in enumerate(run) if word == "RUN")
    assert "pip uninstall --yes pip" in said["RUN"]
    assert "--chown=0:0" in said["COPY"]
    assert not re.search(r"apt-get|curl|wget|ADD ", str(run))
    assert "--without-pip" in str(build)


def test_no_secret_is_baked_in_and_only_what_is_needed_is_sent_to_the_builder(
    stages: list[list[tuple[str, str]]],
) -> None:
    given = [rest for stage in stages for word, rest in stage if word in ("ENV", "ARG")]
    assert not re.search(r"password|secret|token|_url", str(given), re.IGNORECASE)
    ignored = (DEPLOY.parent / ".dockerignore").read_text().splitlines()
    copied = {name.strip("./") for word, rest in stages[0] if word == "COPY" for name in rest.split()[:-1]}
    assert ignored[0] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


def test_the_composed_service_has_no_rights_and_is_reached_from_this_machine_only(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert not re.search(r"password|secret|token", str(service.get("environment", "")), re.IGNORECASE)
    assert [mount for mount in service["volumes"] if not mount.endswith(":ro")] == ["state:/state"]


def test_the_composed_service_starts_with_the_config_and_the_secrets_that_are_mounted(
    compose: dict[str, Any], service: dict[str, Any], stages: list[list[tuple[str, str]]], tmp_path: Path
) -> None:
    inside = Path(re.findall(r"LOOPWATCH_CONFIG=(\S+)", str(dict(stages[1])["ENV"]))[0])
    mounts = dict(reversed(mount.split(":")[:2]) for mount in service["volumes"])
    text = (DEPLOY / mounts[str(inside.parent)] / inside.name).read_text()
    read = re.findall(r"_file: /run/secrets/(\w+)", text)
    assert "${" not in text, "compose sets no variables"
    assert sorted(read) == sorted(service["secrets"]) == sorted(compose["secrets"])
    contents = {
        "kafka": "example-only",
        "database_url": f"sqlite:///{tmp_path / 'loopwatch.db'}",
        "slack": "slackhook://127.0.0.1:1/nobody",
        "page_token": "example-only",
    }
    config = tmp_path / inside.name
    config.write_text(text.replace("/run/secrets", str(tmp_path)))
    words = ["check", "--config", str(config)]
    before = CliRunner().invoke(cli, words)
    assert (before.exit_code, before.stderr.count("names a file that cannot be found")) == (0, 4), before.stderr
    for name, content in contents.items():
        (tmp_path / name).write_text(content + "\n")
    after = CliRunner().invoke(cli, words)
    assert (after.exit_code, after.stderr) == (0, "")
    http = app.read_config(config).loaded.settings.http
    assert ip_address(http.host).is_unspecified
    assert service["ports"] == [f"127.0.0.1:{http.port}:{http.port}"]
