"""What every settings type has in common, and what the files beside a config are read for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, ValidationInfo, WithJsonSchema

from monitor.settings.absent import StandIn, Unset, absent
from monitor.settings.quantities import refusal, sentence

MAX_SECRET_BYTES = 65_536
"""Largest secret file."""


class SettingsType(BaseModel):
    """Frozen; keys it does not know are refused; its errors never show what was given."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def beside(value: str, info: ValidationInfo) -> Path:
    """A path of the config, relative to the file that it stands in."""
    base = info.context["base"] if info.context else Path()
    return Path(base) / value


def _existing(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str) or not value:
        raise refusal("is not the path of a file")
    path = beside(value, info)
    if not path.is_file():
        raise refusal("is not a file that can be found")
    return path


def _readable(value: object, info: ValidationInfo) -> Path:
    """The file of a secret. It is not named in errors: who mistakes the key writes the secret itself there."""
    if isinstance(value, Unset):
        raise absent(value.problem)
    if not isinstance(value, str) or not value:
        raise sentence("is not the path of a file")
    try:
        found = beside(value, info).is_file()
    except OSError as error:
        raise absent(f"names a file that cannot be read: {error.strerror}") from error
    if not found:
        where = "" if Path(value).is_absolute() else "; it is relative to this file"
        raise absent(f"names a file that cannot be found{where}")
    return beside(value, info)


def _secret_file(value: object, info: ValidationInfo) -> Path:
    return Path(value) if isinstance(value, StandIn) else _readable(value, info)


def _set(value: object) -> object:
    if isinstance(value, Unset):
        raise absent(value.problem)
    return value


def _secret_of_file(value: object, info: ValidationInfo) -> SecretStr:
    if isinstance(value, StandIn):
        return SecretStr(value)
    path = _readable(value, info)
    try:
        with path.open("rb") as file:
            body = file.read(MAX_SECRET_BYTES + 1)
        text = body.decode().rstrip("\r\n")
    except OSError as error:
        raise absent(f"names a file that cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise sentence("names a file that is not UTF-8 text") from None
    if not text or len(body) > MAX_SECRET_BYTES:
        raise sentence(f"names a file that is empty, or larger than the {MAX_SECRET_BYTES:,} bytes a secret may have")
    return SecretStr(text)


def _not_empty(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().strip():
        raise sentence("is empty")
    return value


Secret = Annotated[
    SecretStr,
    BeforeValidator(_set),
    AfterValidator(_not_empty),
    WithJsonSchema({"type": "string", "writeOnly": True, "x-kind": "secret"}),
]
"""A secret given in the config itself, usually as `${NAME}`. Its repr is stars."""
SecretFile = Annotated[
    SecretStr,
    BeforeValidator(_secret_of_file),
    WithJsonSchema({"type": "string", "x-kind": "path of a file that holds the secret"}),
]
"""A secret given as the path of a file: holds the file's text without its last line break. Its repr is stars."""
SecretPath = Annotated[
    Path, BeforeValidator(_secret_file), WithJsonSchema({"type": "string", "x-kind": "path of a file"})
]
"""A secret given as the path of a file that others read, perhaps again and again."""
ExistingFile = Annotated[
    Path, BeforeValidator(_existing), WithJsonSchema({"type": "string", "x-kind": "path of a file"})
]
"""A file that must be there, relative to the config."""


def only_one(name: str, given: SecretStr | None, of_file: SecretStr | None, *, needed: bool) -> None:
    """Refuses a secret that is given both ways or, if `needed`, not at all."""
    if given is not None and of_file is not None:
        raise sentence(f"{name} and {name}_file are both given; keep one")
    if needed and given is None and of_file is None:
        raise sentence(f"{name} is needed; write {name}_file: <path>, or {name}: ${{VARIABLE}}")


def text_as(key: str) -> Any:
    """A validator that reads a bare text as a map with this one key."""

    def expand(value: object) -> object:
        return {key: value} if isinstance(value, str) else value

    return BeforeValidator(expand)


def also_as(schema: dict[str, Any], *types: str) -> dict[str, Any]:
    """The JSON schema of a map that may be written in a shorter form of these types, too."""
    schema["type"] = ["object", *types]
    return schema
