"""`${NAME}` in texts of the config, replaced by environment variables."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(:-[^}]*)?\})?")


class MissingVariable(ValueError):
    """A variable is needed and is not set, or `${` is not followed by a name and `}`."""


def interpolate(text: str, environ: Mapping[str, str]) -> str:
    """`${NAME}` by its value, `${NAME:-default}` by the default if NAME is unset or empty; `$${` stands for `${`.

    Values are not looked at again. Raises `MissingVariable`; its message names the variable, never a value.

    >>> interpolate("http://${HOST:-localhost}:${PORT}/$${id}", {"PORT": "80"})
    'http://localhost:80/${id}'
    """

    def value(match: re.Match[str]) -> str:
        if match.group() == "$${":
            return "${"
        name, default = match.groups()
        if name is None:
            raise MissingVariable(
                "'${' is not followed by a variable's name and '}'; write ${NAME}, or $${ for a plain '${'"
            )
        if default is not None:
            return environ.get(name) or default[2:]
        if name not in environ:
            raise MissingVariable(f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
        return environ[name]

    return _REFERENCE.sub(value, text)
