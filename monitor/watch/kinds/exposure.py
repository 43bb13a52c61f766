"""What people are shown: whether it narrows, and whether the next model can learn anything new from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from detectors.calibration_gap.detector import CalibrationGapParams
from detectors.catalogue import DETECTORS
from detectors.churn import ChurnParams
from detectors.comparison import Comparison
from detectors.concentration import ConcentrationParams
from detectors.detector import Params
from detectors.effective_sample import EffectiveSampleParams
from detectors.homogenisation import HomogenisationParams
from detectors.loop_gain.detector import LoopGainParams
from detectors.tail_collapse.detector import TailCollapseParams
from detectors.training_health import TrainingHealthParams
from monitor.ingest.mapping import TRUTH
from monitor.settings.model import ModelSettings
from monitor.watch.kinds.contrasts import why_no_contrast
from monitor.watch.kinds.wanted import Wanted

LOOP_GAIN, CALIBRATION_GAP, TAIL = "loop_gain", "calibration_gap", "tail_collapse"

# A loop narrows from its first retrain on: a baseline of several periods would hold what it is to be compared with.
_WATCHES: dict[str, Params] = {
    "concentration": ConcentrationParams(learn_periods=1, page_if_items_fall_by=0.5),
    "homogenisation": HomogenisationParams(learn_periods=1),
    TAIL: TailCollapseParams(),
    "training_health": TrainingHealthParams(),
    "effective_sample": EffectiveSampleParams(),
    CALIBRATION_GAP: CalibrationGapParams(),
    "churn": ChurnParams(),
}

_INSIGHTS = frozenset({"churn"})
"""Shown, and told to nobody unless the config asks for it."""


def narrowing(model: ModelSettings, missing: dict[str, str]) -> Iterator[Wanted]:
    """What a recommender shows, and what its next model will learn from."""
    window = max(model.period - model.period % model.window, model.window)
    if model.kind != "recommender":
        yield from _tail_of_answers(model, window, missing)
        return
    for name, params in _WATCHES.items():
        why = _lacking(model, name)
        if why:
            missing[name] = why
        else:
            yield _wanted(model, name, params, window)
    yield from _gain(model, window, missing)


def _gain(model: ModelSettings, window: int, missing: dict[str, str]) -> Iterator[Wanted]:
    """Loop gain: by the coins of a tilt, which is causal, so it may page; else by the luck of random slots, which assumes more."""
    items, tilted = model.predictions.items, model.predictions.tilted
    why = _lacking(model, LOOP_GAIN)
    by_coins = tilted is not None and items is not None and items.pair is not None
    if not why and not by_coins and (items is None or items.explored is None):
        why = (
            "neither predictions.tilted with predictions.items.pair (see monitor/client/tilt.py) nor "
            "predictions.items.explored is mapped"
        )
    if why:
        missing[LOOP_GAIN] = why
        return
    params = LoopGainParams(
        instrument="tilt" if by_coins else "exploration",
        training_periods=_trained_periods(model),
    )
    yield Wanted(LOOP_GAIN, LOOP_GAIN, params, "", window, "page" if by_coins else "warn")


def _tail_of_answers(model: ModelSettings, window: int, missing: dict[str, str]) -> Iterator[Wanted]:
    """Whether rare classes vanish from what a classifier or a generator answers."""
    if model.kind == "regressor" or model.predictions.label is None:
        return
    if model.predictions.unit is None:
        missing[TAIL] = "predictions.unit is not mapped, and units are the sample"
        return
    yield Wanted(TAIL, TAIL, TailCollapseParams(of="value"), "label", window, "warn")


def _trained_periods(model: ModelSettings) -> int:
    """Periods that a model is trained on."""
    return math.ceil((model.trained_on or model.period) / model.period)


def _wanted(model: ModelSettings, name: str, params: Params, window: int) -> Wanted:
    """A watch on what is shown; the health of the training set is read from what it is taught, where that is known."""
    taught = labels_of(model)
    if isinstance(params, ConcentrationParams) and model.comparison is Comparison.SLICE:
        params = params.model_copy(update={"slice": True, "catalogue": _drawn_of(model)})
    if not isinstance(params, TrainingHealthParams):
        severity = "info" if name in _INSIGHTS else "warn"
        return Wanted(name, name, params, TRUTH + taught[0] if name == CALIBRATION_GAP else "", window, severity)
    trailing = params.trailing_periods if model.trained_on is None else _trained_periods(model)
    params = TrainingHealthParams(trailing_periods=trailing, labels=bool(taught))
    return Wanted(name, name, params, TRUTH + taught[0] if taught else "", window, "warn")


def _drawn_of(model: ModelSettings) -> int:
    """How many items may be drawn, where draws count by their chances; 0 where all are drawn alike."""
    items = model.predictions.items
    return 0 if items is None or items.propensity is None else items.catalogue or 0


def outcomes_of_items(model: ModelSettings) -> list[str]:
    """Outcomes that say which of the items shown they are for."""
    shows_one = model.predictions.item is not None
    return [
        name
        for name, outcome in model.outcomes.items()
        if outcome.match.item is not None or (shows_one and outcome.match.id is not None)
    ]


def labels_of(model: ModelSettings) -> list[str]:
    """Outcomes that the model is taught by: of what it is trained to raise; where no metric says so, all that name an item."""
    named = outcomes_of_items(model)
    raised = [metric.of for metric in model.metrics.values() if metric.meaning == "engagement"]
    return [name for name in named if name in raised] or named


def uncounted(model: ModelSettings, watches: Sequence[Wanted]) -> dict[str, str]:
    """Outcomes whose organic ones are credited to nothing, and that no watch counts: why, by what is not watched."""
    counted = {w.on for w in watches if DETECTORS[w.detector].needs(w.params).organic}
    return {
        f"organic outcomes of {name}": f"no training_health with labels is placed on {TRUTH}{name}; they are credited to nothing "
        "and counted nowhere"
        for name, outcome in model.outcomes.items()
        if outcome.origin is not None and TRUTH + name not in counted
    }


def _lacking(model: ModelSettings, name: str) -> str:
    predictions, items = model.predictions, model.predictions.items
    if predictions.item is None and items is None:
        return "neither predictions.item nor predictions.items is mapped"
    if predictions.unit is None:
        return "predictions.unit is not mapped, and units are the sample"
    if name == "training_health" and (items is None or items.explored is None):
        return "predictions.items.explored is not mapped: whether an item was drawn at random"
    if name == CALIBRATION_GAP:
        return _no_gap(model)
    if name == "effective_sample" and predictions.propensity is None and (items is None or items.propensity is None):
        return "predictions.items.propensity is not mapped: the chance that an item stood where it stood"
    return ""


def _no_gap(model: ModelSettings) -> str:
    """Why scores cannot be held against what came of them in both cohorts; empty if they can."""
    items = model.predictions.items
    if model.predictions.score is None if items is None else items.score is None:
        return f"predictions.{'score' if items is None else 'items.score'} is not mapped: what the model gave to what was shown"
    if not labels_of(model):
        return "no outcome says which item it is for: an outcome names its item by match: { item: ... }"
    return why_no_contrast(model)
