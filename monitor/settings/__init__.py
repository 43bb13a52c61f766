"""The config language: read, validated, checked; every fault a sentence with file and line."""

from monitor.settings.errors import ConfigError, ConfigErrors
from monitor.settings.loading import Loaded, load
from monitor.settings.mappings import columns, mappings
from monitor.settings.model import ModelSettings
from monitor.settings.reference import NoSuchKey, json_schema, reference_markdown, reference_part
from monitor.settings.service import Settings

__all__ = [
    "ConfigError",
    "ConfigErrors",
    "Loaded",
    "ModelSettings",
    "NoSuchKey",
    "Settings",
    "columns",
    "json_schema",
    "load",
    "mappings",
    "reference_markdown",
    "reference_part",
]
