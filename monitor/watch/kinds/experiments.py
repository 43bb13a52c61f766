"""What an experiment brings: a gate on its arms' sizes, and one comparison for everything that is compared."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.ab_test import AbTestParams
from detectors.canary import CanaryParams
from detectors.detector import Params
from detectors.interleaving import InterleavingParams
from detectors.sample_ratio import SampleRatioParams
from detectors.shadow import Compare, ShadowParams
from monitor.settings.experiments import ExperimentSettings
from monitor.settings.mappings import FEATURE_PREFIX
from monitor.settings.model import ModelSettings
from monitor.watch.kinds.wanted import Wanted
from monitor.watch.trials import DISAGREEMENT, ERRORS, PREFERENCE, SLOW, SPLIT

_ANSWERS = ("probability", "score", "label", "items", "item")


def experiments(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    """All watches of all experiments; what cannot be compared is missing, with the reason."""
    for name, settings in model.experiments.items():
        brings = {"canary": _canary, "ab": _ab, "interleaving": _interleaving, "shadow": _shadow}[settings.kind]
        yield from brings(model, name, settings, missing)


def answer_of(model: ModelSettings) -> str:
    """What a shadow's answer is compared by: the first of these fields that is mapped; "" if none is."""
    return next((field for field in _ANSWERS if getattr(model.predictions, field) is not None), "")


def _wanted(
    model: ModelSettings,
    name: str,
    e: ExperimentSettings,
    what: str,
    detector: str,
    params: Params,
    on: str,
    severity: str,
) -> Wanted:
    key = f"{name}.{what}"
    window = e.window or model.window
    return Wanted(key, detector, params, on, window, severity, metric=key, team=e.team or "", experiment=name)


def _split(model: ModelSettings, name: str, e: ExperimentSettings) -> Wanted:
    params = SampleRatioParams(holdout_share=1.0 - e.share)
    return _wanted(model, name, e, SPLIT, "sample_ratio", params, "", "warn")


def _metrics(model: ModelSettings, name: str, chosen: tuple[str, ...], missing: dict[str, str]) -> Iterator[str]:
    for metric in chosen:
        if metric not in model.metrics:
            continue  # refused, with its place in the file
        if model.metrics[metric].value == "any":
            yield metric
        else:
            missing[f"{name}.{metric}"] = "only metrics with value: any are compared between arms yet"


def _canary(model: ModelSettings, name: str, e: ExperimentSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    compared: list[tuple[str, str, str, float]] = []
    if model.predictions.error_code is not None:
        compared.append((ERRORS, ERRORS, "lower", e.worse_by))
    else:
        missing[f"{name}.{ERRORS}"] = "predictions.error_code is not mapped"
    if why := _why_no_latency(model, e):
        missing[f"{name}.{SLOW}"] = why
    else:
        compared.append((SLOW, SLOW, "lower", e.worse_by))
    for metric in _metrics(model, name, e.metrics or (), missing):
        settings = model.metrics[metric]
        compared += [(metric, metric, settings.better, settings.page_if_worse_by)]
    yield _split(model, name, e)
    for what, on, better, worse_by in compared:
        params = CanaryParams(
            treatment_share=e.share,
            better="higher" if better == "higher" else "lower",
            worse_by=worse_by,
            alpha=e.level() / len(compared),
            at_most=e.at_most,
        )
        yield _wanted(model, name, e, what, "canary", params, on, "page")


def _ab(model: ModelSettings, name: str, e: ExperimentSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    chosen = list(_metrics(model, name, tuple(model.metrics) if e.metrics is None else e.metrics, missing))
    primary = e.primary if e.primary in chosen else next(iter(chosen), None)
    yield _split(model, name, e)
    for metric in chosen:
        params = AbTestParams(
            better=model.metrics[metric].better,
            matters=model.metrics[metric].page_if_worse_by,
            treatment_share=e.share,
            alpha=e.level(model.false_discoveries) / (1 if len(chosen) == 1 else 2),
            alone=metric == primary,
            at_most=e.at_most,
        )
        yield _wanted(model, name, e, metric, "ab_test", params, metric, "warn")


def _interleaving(
    model: ModelSettings,
    name: str,
    e: ExperimentSettings,
    missing: dict[str, str],  # noqa: ARG001 - as the others
) -> Iterator[Wanted]:
    params = InterleavingParams(alpha=e.level(model.false_discoveries), at_most=e.at_most)
    yield _wanted(model, name, e, PREFERENCE, "interleaving", params, e.of or "", "warn")


def _shadow(model: ModelSettings, name: str, e: ExperimentSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    features = [n for n, feature in model.predictions.features.items() if feature.type == "category"]
    by = tuple(FEATURE_PREFIX + n for n in (features[:5] if e.by is None else e.by))
    compared: list[tuple[str, Compare, float]] = []
    if answer_of(model):
        compared.append((DISAGREEMENT, Compare.ANSWER, e.disagree))
    else:
        missing[f"{name}.{DISAGREEMENT}"] = f"none of {', '.join(_ANSWERS)} is mapped"
    if why := _why_no_latency(model, e):
        missing[f"{name}.{SLOW}"] = why
    else:
        compared.append((SLOW, Compare.MORE, e.slower_by))
    for what, compare, tolerated in compared:
        params = ShadowParams(
            compare=compare,
            tolerated=tolerated,
            differs_by=e.differs_by,
            by=by,
            alpha=e.level() / len(compared),
            at_most=e.at_most,
        )
        yield _wanted(model, name, e, what, "shadow", params, what, "warn")


def _why_no_latency(model: ModelSettings, e: ExperimentSettings) -> str:
    if model.predictions.latency_ms is None:
        return "predictions.latency_ms is not mapped"
    return "" if e.slow is not None else "slow is not given: the time beyond which an answer is slow"
