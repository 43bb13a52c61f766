"""A config on disk, read, validated and checked; a fault in one model stops that model only."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from detectors.catalogue import DETECTORS
from monitor.settings.absent import ABSENT, STAND_IN, is_absent
from monitor.settings.base import SettingsType
from monitor.settings.checks import check_model, check_shared
from monitor.settings.errors import ConfigError, ConfigErrors
from monitor.settings.model import ModelSettings, WatchSettings
from monitor.settings.reader import Document, Keys, read
from monitor.settings.sentences import keys_of, shown, tell, unknown_key
from monitor.settings.service import DEFAULT_TEAM, SLACK, DatabaseSettings, Settings, TeamSettings
from monitor.settings.unsupported import later

DATABASE_FILE = "loopwatch.db"
"""The default database, beside the config."""

_T = TypeVar("_T", bound=SettingsType)


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a document that holds one model: `prefix` is the key path to it; `known` the keys that may stand there."""

    document: Document
    prefix: Keys
    data: Any

    def error(self, keys: Sequence[str | int], problem: str) -> ConfigError:
        """A fault at a key path within the part."""
        return self.document.error((*self.prefix, *keys), problem)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config that can be run.

    settings   the shared part: every team has its destinations, the database its URL.
    models     the models that can be run, by name.
    faults     why the others cannot.
    parts      where each model stands, for faults that are found later; see `fault`.
    absent     secrets that are not there; something that cannot be used stands in for each.
    """

    settings: Settings
    models: dict[str, ModelSettings]
    faults: list[ConfigError] = field(default_factory=list)
    parts: dict[str, Part] = field(default_factory=dict)
    absent: list[ConfigError] = field(default_factory=list)

    def fault(self, model: str, keys: Sequence[str | int], problem: str) -> ConfigError:
        """A fault of a model found by somebody else, with file and line: `("watch", "reads")`, `is not brought by ...`."""
        return self.parts[model].error(keys, problem)


def load(path: str | Path, environ: Mapping[str, str] | None = None, *, without_secrets: bool = False) -> Loaded:
    """Read a shared config with its models, or a one-file config.

    Files named in it are relative to the file they are named in. `environ` stands in for the environment. Raises
    `ConfigErrors` for a fault outside the models' parts, with those of models; else faults of models are returned. A
    secret that is not there (its file, or its variable) is such a fault, but is returned if `without_secrets`.
    """
    file = Path(path)
    variables = os.environ if environ is None else environ
    document = read(file, variables, unset=True)
    data = document.data
    if not isinstance(data, dict):
        found = "it is empty" if data is None else f"{shown(data)} is not a map (key: value)"
        raise ConfigErrors([document.error((), f"{found}; a config begins with keys")])
    problems: list[ConfigError] = []
    shared, parts, faults = _split(document, file.parent, variables, problems)
    absent: list[ConfigError] = []
    settings = _valid(Settings, Part(document, (), shared), file.parent, problems, absent)
    if settings is not None:
        check_shared(settings, lambda keys, problem: problems.append(document.error(keys, problem)))
    loaded = Loaded(
        _completed(settings or _named(shared), file.parent),
        {},
        faults,
        absent=sorted(absent, key=lambda error: error.line),
    )
    for part in parts:
        _add(loaded, part)
    unset = document.unset.keys() - {error.keys for error in absent}
    if not without_secrets:
        problems += absent
    if settings is None or problems or unset:
        told = [e for e in [*problems, *faults] if e.file != document.file or document.nearest(e.keys) not in unset]
        told += [document.error(keys, document.unset[keys]) for keys in unset]
        raise ConfigErrors(sorted(told, key=lambda error: (error.file != document.file, error.file, error.line)))
    return loaded


def _named(shared: dict[str, Any]) -> Settings:
    """Stands in for a shared part with faults: its teams, which models name, are known."""
    teams = shared.get("teams")
    return Settings(teams={str(name): TeamSettings() for name in teams} if isinstance(teams, dict) else {})


def _split(
    document: Document, base: Path, environ: Mapping[str, str], problems: list[ConfigError]
) -> tuple[dict[str, Any], list[Part], list[ConfigError]]:
    """The shared keys, the models' parts, and why some files hold none."""
    data: dict[str, Any] = document.data
    if "model" in data or ("models" not in data and data.keys() & {"kind", "predictions"}):
        own = set(keys_of(Settings))
        if "models" in data:
            problems.append(document.error(("models",), "model and models are both given; keep one"))
        shared = {key: value for key, value in data.items() if key in own}
        rest = {key: value for key, value in data.items() if key not in own and key != "models"}
        for key in [key for key in rest if key not in keys_of(ModelSettings) and later((key,)) is None]:
            allowed = [*keys_of(Settings), *keys_of(ModelSettings)]
            problems.append(document.error((key,), unknown_key(key, allowed)))
            del rest[key]
        return shared, [Part(document, (), rest)], []
    shared = {key: value for key, value in data.items() if key != "models"}
    if "models" not in data:
        problems.append(document.error((), "models is needed: files like models/*.yaml, or a list of models"))
        return shared, [], []
    parts: list[Part] = []
    faults: list[ConfigError] = []
    given = data["models"]
    entries = list(enumerate(given)) if isinstance(given, list) else [(None, given)]
    for index, entry in entries:
        keys: Keys = ("models",) if index is None else ("models", index)
        if isinstance(entry, dict) and index is not None:
            parts.append(Part(document, keys, entry))
        elif isinstance(entry, str) and entry:
            _read_models(document, keys, _matching(base, entry), environ, parts, faults, problems)
        else:
            problems.append(
                document.error(keys, f"{shown(entry)} is neither files (models/*.yaml) nor a list of models")
            )
    return shared, parts, faults


def _matching(base: Path, pattern: str) -> list[Path]:
    whole = Path(pattern)
    if whole.is_absolute():
        base, pattern = Path(whole.anchor), str(whole.relative_to(whole.anchor))
    try:
        return sorted(path for path in base.glob(pattern) if path.is_file())
    except ValueError:  # no pattern at all, like a lone "/"
        return []


def _read_models(
    document: Document,
    keys: Keys,
    files: Sequence[Path],
    environ: Mapping[str, str],
    parts: list[Part],
    faults: list[ConfigError],
    problems: list[ConfigError],
) -> None:
    if not files:
        problems.append(document.error(keys, f"{shown(document.found(keys))} matches no file beside the config"))
    for file in files:
        if file == Path(document.file):
            continue  # a pattern may cover the shared file, too
        try:
            model = read(file, environ)
        except ConfigErrors as errors:
            faults += errors.errors
        else:
            parts.append(Part(model, (), model.data))


def _add(loaded: Loaded, part: Part) -> None:
    """Add a model to what can be run, or its faults to the others."""
    found: list[ConfigError] = []
    model = _valid(ModelSettings, part, Path(part.document.file).parent, found, [])
    if model is not None:

        def say_params(keys: tuple[str | int, ...], watch: WatchSettings, error: ValidationError) -> None:
            if watch.detector is not None:
                kind: type[BaseModel] = DETECTORS[watch.detector.kind].params
                tell(
                    error,
                    kind,
                    part.document,
                    (*part.prefix, *keys),
                    lambda at, say: found.append(part.document.error(at, say)),
                )

        check_model(
            model, list(loaded.settings.teams), lambda keys, say: found.append(part.error(keys, say)), say_params
        )
        if model.model in loaded.models:
            first = loaded.parts[model.model].error(("model",), "")
            found.append(
                part.error(("model",), f"{shown(model.model)} is already the model of {first.file}:{first.line}")
            )
    if model is None or found:
        loaded.faults.extend(sorted(found, key=lambda fault: fault.line))
    else:
        loaded.models[model.model] = model
        loaded.parts[model.model] = part


def _valid(kind: type[_T], part: Part, base: Path, problems: list[ConfigError], absent: list[ConfigError]) -> _T | None:
    """The part as settings, or None with its faults added to `problems`; secrets that are not there go to `absent`."""
    try:
        return kind.model_validate(part.data, context={"base": base})
    except ValidationError as errors:
        data = part.data
        for error in errors.errors(include_url=False, include_input=False):
            if error["type"] == ABSENT:
                keys = part.document.nearest((*part.prefix, *error["loc"]))
                absent.append(part.document.error(keys, error["msg"]))
                data = _put(data, keys[len(part.prefix) :], STAND_IN)
        if data is not part.data:
            return _valid(kind, replace(part, data=data), base, problems, absent)
        tell(
            errors,
            kind,
            part.document,
            part.prefix,
            lambda keys, problem: problems.append(part.document.error(keys, problem)),
            later=later,
        )
        return None


def _put(data: Any, keys: Keys, value: str) -> Any:
    """A copy of maps and lists with `value` at a key path."""
    if not keys:
        return value
    copy = data.copy()
    copy[keys[0]] = _put(data[keys[0]], keys[1:], value)
    return copy


def _completed(settings: Settings, base: Path) -> Settings:
    """The settings with a database, a team, and destinations for every team."""
    known = tuple(settings.destinations)
    usual = (SLACK,) if SLACK in known else known if len(known) == 1 else ()
    teams = {}
    for name, team in (settings.teams or {DEFAULT_TEAM: TeamSettings()}).items():
        page = usual if team.page is None else team.page
        teams[name] = team.model_copy(update={"page": page, "digest": page if team.digest is None else team.digest})
    database = settings.database
    if database is None or is_absent(database.secret):
        database = DatabaseSettings(url=SecretStr(f"sqlite:///{(base / DATABASE_FILE).resolve()}"))
    return settings.model_copy(update={"teams": teams, "database": database})
