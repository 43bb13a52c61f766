"""Where the house is put together: the only place that names protocols and adapters alike."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from detectors.columns import Category, Cohort, Columns, Flag, Hash, Numeric, Ragged
from monitor import references, settings, warmup
from monitor.alerting.alert import Notifier, Phase
from monitor.alerting.via_apprise import AppriseNotifier
from monitor.alerting.words import moment
from monitor.clock import Clock
from monitor.engine.missing import INTAKE
from monitor.ingest.decode import compile_mapping
from monitor.ingest.mapping import PREDICTIONS, EventMapping
from monitor.ingest.source import Source, SourceRefused
from monitor.ingest.via_files import FileSource
from monitor.ingest.via_kafka import KafkaAccess, KafkaReading, KafkaSink, KafkaSource, Sasl, Tls, TokenEndpoint
from monitor.metrics import Metrics
from monitor.relay import Relay
from monitor.selfwatch import CountingNotifier
from monitor.settings.absent import is_absent
from monitor.settings.history import files_of
from monitor.settings.kafka import KafkaSettings, SaslSettings
from monitor.store.protocols import Lease, SchemaTooOld, Store
from monitor.store.via_memory import MemoryStore
from monitor.store.via_sql import SqlStore, sqlite_file, upgrade
from monitor.watch.compile import Plans, compile_plans
from monitor.watch.plan import ModelPlan
from monitor.web.health import Health
from monitor.web.overview import ModelSection, Overview, section

_SHORTEST_PART = 16
VERSION = version("loopwatch")
NOBODY = "nobody"
"""Name of the destination that `with_somebody_to_tell` adds."""


@dataclass(frozen=True, slots=True)
class Config:
    """A config file, read and compiled."""

    loaded: settings.Loaded
    plans: Plans

    @property
    def database(self) -> str:
        """URL of the database; a secret."""
        database = self.loaded.settings.database
        return database.secret.get_secret_value() if database is not None else ""

    def files(self) -> list[Path]:
        """The files that hold its models."""
        return [Path(part.document.file) for part in self.loaded.parts.values()]

    def destinations(self) -> dict[str, str]:
        """URL of every destination whose secret is there, by name; secrets."""
        known = self.loaded.settings.destinations
        return {name: url.get_secret_value() for name, url in known.items() if not is_absent(url)}

    def secrets(self) -> list[str]:
        """Everything that must never be shown."""
        kafka = self.loaded.settings.kafka
        sasl = [kafka.sasl.secret] if kafka is not None and kafka.sasl is not None else []
        if kafka is not None and kafka.sasl is not None and kafka.sasl.token_file is not None:
            with contextlib.suppress(OSError, ValueError):  # told when it is used
                sasl = [_token(kafka.sasl.token_file).get_secret_value()]
        token, ids = self.loaded.settings.http.secret, self.loaded.settings.ids
        database = [self.database, urlsplit(self.database).password or ""]
        heartbeat = self.loaded.settings.heartbeat
        return [
            *sasl,
            *filter(None, database),
            *self.destinations().values(),
            *(part for url in self.destinations().values() for part in _telling(url)),
            *([ids.secret.get_secret_value()] if ids is not None else []),
            *([token.get_secret_value()] if token is not None else []),
            *([heartbeat.secret.get_secret_value()] if heartbeat is not None else []),
        ]


def _telling(url: str) -> Iterator[str]:
    """Parts of a destination's URL that may be what makes it a secret, wherever they turn up without the rest."""
    parts = urlsplit(url)
    named = [parts.username or "", parts.password or "", *parts.path.split("/"), *parts.query.split("&")]
    yield from (unquote(part.rpartition("=")[2]) for part in named if len(part) >= _SHORTEST_PART)


def read_config(path: Path, *, without_secrets: bool = False) -> Config:
    """Read a config file. Raises `ConfigErrors` if its shared part cannot be used; faults of single models are in `plans`.

    With `without_secrets`, secrets that are not there are told in `loaded.absent`, and nothing can be sent there.
    """
    return _compiled(settings.load(path, without_secrets=without_secrets))


def _compiled(loaded: settings.Loaded) -> Config:
    kafka = loaded.settings.kafka
    return Config(loaded, compile_plans(loaded, topic_prefix=kafka.topic_prefix if kafka is not None else ""))


def with_somebody_to_tell(config: Config) -> Config:
    """The config, with one destination for teams that have none: to show their messages, as nothing can be sent there."""
    given = config.loaded.settings
    teams = {
        name: team if team.page or team.digest else team.model_copy(update={"page": (NOBODY,), "digest": (NOBODY,)})
        for name, team in given.teams.items()
    }
    return _compiled(replace(config.loaded, settings=given.model_copy(update={"teams": teams})))


def open_store(url: str, clock: Clock) -> SqlStore:
    """The store; an SQLite file that is new or old is brought up to date at once, a server's tables only by `db upgrade`."""
    try:
        return SqlStore(url, clock)
    except SchemaTooOld:
        if not url.startswith("sqlite"):
            raise
        upgrade(url)
        return SqlStore(url, clock)


def look_into(url: str, clock: Clock) -> Store:
    """The store to read from: nothing is made or brought up to date. Where there is no SQLite file yet, an empty store."""
    file = sqlite_file(url)
    return MemoryStore(clock) if file is not None and not file.exists() else SqlStore(url, clock)


def with_references(config: Config, store: Store) -> tuple[Config, tuple[str, ...]]:
    """The config with the references that people adopted, and sentences on those that are not used, or cap a watch."""
    known = [references.adopted(p, store.references(p.model)) for p in config.plans.models]
    plans = replace(config.plans, models=tuple(plan for plan, _ in known))
    return replace(config, plans=plans), tuple(f"{plan.model}: {sentence}" for plan, said in known for sentence in said)


def history_of(config: Config, plan: ModelPlan) -> dict[str, list[Path]]:
    """The files of a model's topics that its `history` names; empty where it has none."""
    given = config.loaded.models[plan.model].history
    return {} if given is None else {topic: files_of(given, topic) for topic in sorted(plan.topics())}


def learn_from_history(config: Config, store: Store, clock: Clock) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Give the watches of each model with a history their references: (model, how many, what a person should know).

    `config` without references. Raises `StoreError`.
    """
    for plan in config.plans.models:
        if config.loaded.models[plan.model].history is not None:
            files = history_of(config, plan)
            yield plan.model, *warmup.learn(plan, files, store, clock, read=file_source, own=memory_store)


def upgrade_database(url: str) -> bool:
    """Bring the tables to this version; True if there was anything to do. Raises `StoreError`."""
    return upgrade(url)


def relay(
    config: Config, store: Store, clock: Clock, held: Callable[[], Lease | None], metrics: Metrics | None = None
) -> Relay:
    """What sends the outbox to the config's destinations; counted in `metrics`. Raises `BadDestination`, a ValueError."""
    sends = notifier(config)
    return Relay(store, sends if metrics is None else CountingNotifier(sends, metrics), clock, held)


def notifier(config: Config) -> Notifier:
    """The config's destinations. Raises `BadDestination`, a ValueError, if a URL is not understood. Nothing is sent."""
    return AppriseNotifier(config.destinations())


def memory_store(clock: Clock) -> Store:
    """A store that is gone with the process: for replays."""
    return MemoryStore(clock)


def kafka_source(kafka: KafkaSettings, plan: ModelPlan) -> KafkaSource:
    """A consumer for one model."""
    return KafkaSource(KafkaReading(_access(kafka), tuple(sorted(plan.topics())), kafka.start))


def kafka_sink(kafka: KafkaSettings) -> KafkaSink:
    """Where a rehearsal writes its events. Raises `SourceError`."""
    return KafkaSink(_access(kafka))


def _access(kafka: KafkaSettings) -> KafkaAccess:
    tls = None
    if kafka.tls is not None:
        tls = Tls(kafka.tls.ca_file, kafka.tls.cert_file, kafka.tls.key_file, kafka.tls.check_hostname)
    sasl = None if kafka.sasl is None else _sasl(kafka.sasl)
    return KafkaAccess(tuple(kafka.brokers), tls, sasl, "loopwatch")


def _sasl(given: SaslSettings) -> Sasl:
    if given.token_file is not None:
        return Sasl(given.mechanism, token=partial(_token, given.token_file))
    if given.token is not None:
        at = given.token
        return Sasl(given.mechanism, token=TokenEndpoint(at.endpoint, at.client_id, at.secret, at.scope or ""))
    return Sasl(given.mechanism, given.user or "", SecretStr(given.secret))


def _token(path: Path) -> SecretStr:
    """The token that a file holds now. Raises OSError, ValueError."""
    return SecretStr(path.read_text(encoding="ascii").strip())


def file_source(files: Mapping[str, Sequence[Path]], plan: ModelPlan) -> Source:
    """The files of a model's topics. A file's own time stands in for the broker's: no event can be newer than its file."""
    own = {topic: paths for topic, paths in files.items() if topic in plan.topics()}
    written = {
        t: max((int(p.stat().st_mtime * 1000) for p in paths if p.exists()), default=0) for t, paths in own.items()
    }
    return FileSource(own, lambda topic, _: written[topic])


def overview(store: Store, plans: Sequence[ModelPlan], clock: Clock, health: Health | None = None) -> Overview:
    """Every model's watches with their states, from what is stored."""
    return Overview(
        made_at=clock.now(),
        version=VERSION,
        parts=health.parts() if health is not None else {},
        models=[_section(store, plan) for plan in plans],
    )


def _section(store: Store, plan: ModelPlan) -> ModelSection:
    """A model's watches. One that the config no longer has is shown for as long as its alert is open."""
    alerts = store.alerts(plan.model)
    shown = {*plan.watch_names(), INTAKE, *(a.watch for a in alerts if a.phase is not Phase.RESOLVED)}
    lacking = [f"not watched: {why}" for why in plan.not_watched]
    unused = references.adopted(plan, store.references(plan.model))[1]
    return section(
        plan.model,
        plan.watch_names(),
        [finding for finding in store.latest(plan.model) if finding.watch in shown],
        alerts,
        "; ".join([*lacking, *unused]),
    )


SAMPLED, SHOWN = 1_000, 5


def sample(mapping: EventMapping, path: Path) -> Iterator[str]:
    """The first events of a file as a mapping reads them, one line an event or a fault, and what became of `SAMPLED` records.

    Raises `SourceError` if the file cannot be read, or if none of its records is an event.
    """
    source = FileSource({mapping.topic: [path]})
    decoder = compile_mapping(mapping, b"sample")
    decoded = [decoder.decode(block) for block in source.poll(SAMPLED, 0)]
    source.close()
    rows = [(d.rows, row) for d in decoded for row in range(len(d.rows))]
    rejects = [r for d in decoded for r in d.rejects]
    filtered = sum(d.filtered for d in decoded)
    for some, row in rows[:SHOWN]:
        yield _row_in_words(mapping, some, row)
    for reject in rejects[:SHOWN]:
        yield f"line {reject.offset + 1} cannot be used: {reject.reason}"
    yield f"of {len(rows) + len(rejects) + filtered:,} records: {len(rows):,} events, {len(rejects):,} refused, {filtered:,} not ours"
    if mapping.stream == PREDICTIONS and rows:
        units = sum(bool(some.unit[row]) for some, row in rows)
        cohorts = Counter(Cohort(int(some.cohort[row])).name.lower() for some, row in rows)
        yield f"with a unit: {units:,}; cohorts: " + ", ".join(f"{name} {n:,}" for name, n in sorted(cohorts.items()))
    if not rows:
        raise SourceRefused(f"{path}: no record is an event of {mapping.stream}")


def _row_in_words(mapping: EventMapping, rows: Columns, row: int) -> str:
    values = [f"time={moment(int(rows.time[row]))}"]
    if mapping.cohort is not None:
        values.append(f"cohort={Cohort(int(rows.cohort[row])).name.lower()}")
    if mapping.unit:
        values.append("unit=yes" if rows.unit[row] else "unit=MISSING")
    for name, column in rows.fields.items():
        if isinstance(column, Numeric):
            values.append(f"{name}={column.values[row]:g}")
        elif isinstance(column, Category):
            values.append(f"{name}={column.labels[column.codes[row]] if column.codes[row] >= 0 else 'missing'}")
        elif isinstance(column, Hash):
            values.append(f"{name}={'yes' if column.values[row] else 'missing'}")
        elif isinstance(column, Ragged):
            values.append(f"{name}={int(column.starts[row + 1] - column.starts[row])} element(s)")
        elif isinstance(column, Flag):
            values.append(f"{name}={'missing' if column.missing[row] else bool(column.values[row])}")
    return "  ".join(values)
