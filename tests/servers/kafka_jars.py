"""The broker's jars: resolved once through Maven, kept in the user's cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
HOW = "install a Java 17 (or newer) runtime and Maven, e.g. `apt-get install openjdk-17-jre-headless maven`"


class NoKafka(Exception):
    """Apache Kafka cannot be run here; the message says what is missing and how to get it."""


@cache
def java() -> str:
    """The `java` command. Raises `NoKafka` if there is none, or one older than 17."""
    home = os.environ.get("JAVA_HOME")
    command = shutil.which("java", path=str(Path(home) / "bin")) if home else None
    command = command or shutil.which("java")
    if command is None:
        raise NoKafka(f"no `java` command found: {HOW}")
    told = subprocess.run([command, "-version"], capture_output=True, text=True, check=True).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < 17:
        raise NoKafka(f"`java` is {told.splitlines()[0]}, and Apache Kafka 4 needs 17: {HOW}")
    return command


@cache
def classpath() -> str:
    """Java classpath of Apache Kafka in the version of the pom; downloads it on first use. Raises `NoKafka`."""
    version = re.search(r"<kafka.version>(.+)</kafka.version>", POM.read_text())
    if version is None:
        raise ValueError(f"{POM}: no <kafka.version>")
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loopwatch"
    jars = caches / f"kafka-{version[1]}"
    if not jars.is_dir():
        caches.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=caches) as scratch:
            resolved = Path(scratch) / "jars"
            resolve(resolved)
            if not jars.is_dir():
                resolved.rename(jars)
    return f"{jars}/*"


def resolve(target: Path) -> None:
    """Copy the jars of the pom into `target`. Raises `NoKafka` with Maven's last words."""
    maven = shutil.which("mvn")
    if maven is None:
        raise NoKafka(f"no `mvn` command found: {HOW}")
    command = [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", "-DincludeScope=runtime"]
    done = subprocess.run([*command, f"-DoutputDirectory={target}"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        errors = [line for line in done.stdout.splitlines() if line.startswith("[ERROR]")]
        raise NoKafka(f"Maven could not fetch the jars of {POM.name}: {errors[0] if errors else done.stderr}")
