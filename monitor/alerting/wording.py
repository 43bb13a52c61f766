"""What each detector's crossing means in plain words: one sentence a direction, what it cannot know, what to do next.

`{metric}` stands for the watched metric, already escaped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from monitor.alerting.compared import reworded


@dataclass(frozen=True, slots=True)
class Wording:
    """The vocabulary of one detector.

    up, down, moved  the sentence for a positive, a negative and an unmeasured effect.
    over             the sentence for its recovery.
    unknown          what such a finding cannot tell.
    step             what to do next.
    """

    up: str
    down: str
    moved: str
    over: str
    unknown: str
    step: str

    def sentence(self, effect: float | None) -> str:
        """The sentence for the direction of `effect`."""
        if effect is None or effect == 0 or math.isnan(effect):
            return self.moved
        return self.up if effect > 0 else self.down


WORDINGS: dict[str, Wording] = {
    "sample_ratio": Wording(
        up="the holdout is larger than planned",
        down="the holdout is smaller than planned",
        moved="the holdout is not of its planned size",
        over="the holdout is of its planned size again",
        unknown="which people are missing or added. Until it is sound, no comparison with this holdout can be trusted.",
        step="ask the owner of the assignment what changed; take no decision from this holdout until then.",
    ),
    "sample_ratio_by_group": Wording(
        up="the holdout is larger than planned in one group of people",
        down="the holdout is smaller than planned in one group of people",
        moved="the holdout is not of its planned size in one group of people",
        over="the holdout is of its planned size again, in the group in which it was not",
        unknown="which people are missing or added. Groups must be of people: one that serving decides is never split as planned.",
        step="ask the owner of the assignment what is different for this group: its app version, its region, its cache.",
    ),
    "contamination": Wording(
        up="more people than allowed are mixed up between the holdout and the exposed ({metric})",
        down="more people than allowed are mixed up between the holdout and the exposed ({metric})",
        moved="people are mixed up between the holdout and the exposed ({metric})",
        over="holdout and exposed are apart again ({metric})",
        unknown="what the mixed-up people would have done. Until it is sound, no comparison with this holdout can be trusted.",
        step="ask the owner of the assignment what changed, and which version or surface these people came from.",
    ),
    "propensity_check": Wording(
        up="items are drawn with other chances than are logged: the logged ones are too small",
        down="items are drawn with other chances than are logged: the logged ones are too large, or some items are hardly ever drawn",
        moved="items are drawn with other chances than are logged",
        over="items are drawn with the chances that are logged again",
        unknown="which items are off. Until it is mended nothing that is weighted by these propensities can be trusted.",
        step="compare the code that draws with the code that logs; count how often a few items are drawn.",
    ),
    "attrition": Wording(
        up="exposed people keep coming, and held-out people stay away",
        down="held-out people keep coming, and exposed people stay away",
        moved="exposed and held-out people no longer come alike",
        over="exposed and held-out people come alike again",
        unknown="what those who stay away would have done: comparisons of those who come are no longer fair, and stay blind.",
        step="find out whether people left or their events are lost on the way; if the model drove them away, that is the finding.",
    ),
    "cohort_bounded": Wording(
        up="exposed people show higher {metric} than the holdout",
        down="exposed people show lower {metric} than the holdout",
        moved="exposed people and the holdout differ in {metric}",
        over="exposed people and the holdout agree in {metric} again",
        unknown="whether it lasts. The holdout also sees what exposed people made popular, so the true gap may be larger.",
        step="compare the versions live since then; if one of them started it, roll it back.",
    ),
    "cohort_block": Wording(
        up="exposed people show higher {metric} than the holdout",
        down="exposed people show lower {metric} than the holdout",
        moved="exposed people and the holdout differ in {metric}",
        over="exposed people and the holdout agree in {metric} again",
        unknown="whether it lasts. The bound is calibrated: it holds while {metric} varies as it did in the weeks of learning.",
        step="compare the versions live since then; if one of them started it, roll it back.",
    ),
    "cohort_by_group": Wording(
        up="one group of the exposed shows higher {metric} than the same group of the holdout",
        down="one group of the exposed shows lower {metric} than the same group of the holdout",
        moved="one group of the exposed differs from the same group of the holdout in {metric}",
        over="the exposed and the holdout agree in {metric} again, in the group that differed",
        unknown="whether other groups are hit less hard: only the one that speaks loudest is named.",
        step="look at what this group alone is served: its language, its app version, its part of the catalogue.",
    ),
    "cohort_sticky": Wording(
        up="exposed people who come back show higher {metric} than the holdout",
        down="exposed people who come back show lower {metric} than the holdout",
        moved="exposed people who come back and the holdout differ in {metric}",
        over="exposed people who come back and the holdout agree in {metric} again",
        unknown="whether new people feel it too; and it speaks of the whole time since it watches, so a new harm shows late.",
        step="compare the versions live since then; if one of them started it, roll it back.",
    ),
    "cohort_rate": Wording(
        up="more of the exposed than of the holdout have {metric}",
        down="fewer of the exposed than of the holdout have {metric}",
        moved="exposed people and the holdout differ in how many have {metric}",
        over="as many of the exposed as of the holdout have {metric} again",
        unknown="how often it happens to one person: each counts once.",
        step="look at the cases of the exposed, and at the versions live since then.",
    ),
    "cohort_quantile": Wording(
        up="more of the exposed than of the holdout have an unusually large {metric}",
        down="fewer of the exposed than of the holdout have an unusually large {metric}",
        moved="exposed people and the holdout differ in the tail of {metric}",
        over="exposed people and the holdout agree in the tail of {metric} again",
        unknown="how far beyond the usual they lie: each person counts as beyond the cut, or not.",
        step="look at the slowest or largest cases of the exposed, and at the versions live since then.",
    ),
    "split": Wording(
        up="the control arm is larger than planned",
        down="the control arm is smaller than planned",
        moved="the arms are not of their planned sizes",
        over="the arms are of their planned sizes again",
        unknown="which people are missing or added. Until it is sound, no verdict on this experiment can be trusted.",
        step="ask the owner of the assignment what changed; the experiment begins anew once it is repaired.",
    ),
    "canary": Wording(
        up="{metric}: treatment has more than control",
        down="{metric}: treatment has less than control",
        moved="{metric}: treatment and control are alike",
        over="{metric}: the experiment has its verdict",
        unknown="what people do later, and what is not compared here. Each person counts once, with the first answer they got.",
        step="look at both arms below.",
    ),
    "ab_test": Wording(
        up="{metric}: treatment has more than control",
        down="{metric}: treatment has less than control",
        moved="{metric}: treatment and control are alike",
        over="{metric}: the experiment has its verdict",
        unknown="whether it lasts: each person counts once, with the first answer they got.",
        step="decide by the interval: whether the smallest effect in it is worth having.",
    ),
    "interleaving": Wording(
        up="{metric}: people choose treatment's items more often",
        down="{metric}: people choose control's items more often",
        moved="{metric}: people choose from both alike",
        over="{metric}: the experiment has its verdict",
        unknown="how large the difference is when either ranker has the whole list: interleaving tells which, not how much.",
        step="confirm the winner in an A/B test before it replaces the other.",
    ),
    "shadow": Wording(
        up="{metric}: the shadow differs from the live release",
        down="{metric}: the shadow has less of it than the live release",
        moved="{metric}: the shadow is like the live release",
        over="{metric}: the shadow has its verdict",
        unknown="what people would do with its answers: nobody sees them, so no outcome is joined to them.",
        step="look first where the two disagree most.",
    ),
    "numeric_shift": Wording(
        up="the values of {metric} have moved from their reference",
        down="the values of {metric} have moved from their reference",
        moved="the values of {metric} have moved from their reference",
        over="the values of {metric} are back at their reference",
        unknown="whether anybody is worse off: this is the distribution alone, not its outcomes.",
        step="look at what feeds {metric}; if the move was meant, set a new reference.",
    ),
    "category_shift": Wording(
        up="the shares of {metric} have moved from their reference",
        down="the shares of {metric} have moved from their reference",
        moved="the shares of {metric} have moved from their reference",
        over="the shares of {metric} are back at their reference",
        unknown="whether anybody is worse off: these are shares alone, not their outcomes.",
        step="look at what sets {metric}; if the move was meant, set a new reference.",
    ),
    "missing_rate": Wording(
        up="a field is missing more often than in the reference",
        down="a field is missing less often than in the reference",
        moved="a field is missing more or less often than in the reference",
        over="fields are missing as often as in the reference again",
        unknown="whether the model copes: this counts absent values, not what they do to its answers.",
        step="look at the producer of that field, and at what was deployed near then.",
    ),
    "embedding_shift": Wording(
        up="the vectors of {metric} have moved from their reference",
        down="the vectors of {metric} have moved from their reference",
        moved="the vectors of {metric} have moved from their reference",
        over="the vectors of {metric} are back at their reference",
        unknown="what the vectors stand for that is new, and whether anybody is worse off.",
        step="look whether the encoder or what is encoded changed; if it was meant, set a new reference.",
    ),
    "share_over": Wording(
        up="more of {metric} is over its limit than is allowed",
        down="less of {metric} is over its limit than is allowed",
        moved="more of {metric} is over its limit than is allowed",
        over="no more of {metric} is over its limit than is allowed",
        unknown="why: this counts values over a limit, not what made them large.",
        step="look at load, versions and what is called on the way, since then.",
    ),
    "volume": Wording(
        up="more predictions come than is usual at this time of the week",
        down="fewer predictions come than is usual at this time of the week",
        moved="as many predictions do not come as is usual at this time of the week",
        over="as many predictions come as is usual at this time of the week",
        unknown="whether people do something else or events are lost or doubled on the way.",
        step="compare with requests at the edge; look at campaigns, holidays and deploys since then.",
    ),
    "estimated_performance": Wording(
        up="predictions should turn out right more often than they did (a hint, not a finding)",
        down="predictions may turn out wrong more often than they did (a hint, not a finding)",
        moved="predictions may turn out otherwise than they did (a hint, not a finding)",
        over="the hint about expected performance is over",
        unknown="whether it is so: nothing was measured. Cases look harder; if the world changed its answers, this does not show it.",
        step="look at the inputs that shifted near then; wait for the labels, by which risk is judged.",
    ),
    "risk": Wording(
        up="predictions turn out wrong more often than they did",
        down="predictions turn out wrong less often than they did",
        moved="predictions turn out wrong otherwise than they did",
        over="predictions turn out wrong no more often than they did",
        unknown="whether the model or the world changed, and what of predictions that have no label yet.",
        step="compare the versions live since then, and the inputs that shifted near then; retrain if the world moved.",
    ),
    "calibration": Wording(
        up="what is predicted comes true more often than it says",
        down="what is predicted comes true less often than it says",
        moved="what is predicted no longer comes true as often as it says",
        over="what is predicted comes true as often as it did",
        unknown="whether the model or the world changed, and what of predictions that have no label yet.",
        step="check the thresholds that are set on this probability; recalibrate it on what came true since then.",
    ),
    "concentration": Wording(
        up="exposed people see a wider choice of items than before",
        down="exposed people see fewer different items than before",
        moved="the choice of items that exposed people see has changed",
        over="the choice of items that exposed people see is back",
        unknown="whether anybody is worse off: a narrow choice is a risk, not a harm, and clicks can rise with it. Held-out people, "
        "where there are any, see what exposed people made popular, so the true gap may be larger.",
        step="hold the next retrain and look at the exploration share of its training data.",
    ),
    "engagement": Wording(
        up="exposed people do more of {metric} than at the baseline, against the holdout",
        down="exposed people do less of {metric} than at the baseline, against the holdout",
        moved="{metric} of exposed people has changed against the holdout",
        over="{metric} of exposed people is back at its baseline against the holdout",
        unknown="whether people are well served: engagement is what the model is trained to raise. "
        "Held-out people see items that the exposed made popular, so the true gap may be larger.",
        step="look at the metric's own comparison with the holdout, which counts everybody once.",
    ),
    "homogenisation": Wording(
        up="exposed people come to see the same items as each other",
        down="exposed people see fewer of the same items as each other",
        moved="how alike the items are that exposed people see has changed",
        over="exposed people no longer see ever more of the same items",
        unknown="whether anybody is worse off: sameness is a risk, not a harm, and clicks can rise with it. Held-out people, "
        "where there are any, see what exposed people made popular, so the true gap may be larger.",
        step="hold the next retrain and look at the exploration share of its training data.",
    ),
    "loop_gain": Wording(
        up="the model feeds on itself: what it shows more of, it comes to show still more of",
        down="the model feeds on itself less than is tolerated",
        moved="how much the model feeds on itself has changed",
        over="the model feeds on itself no more than is tolerated",
        unknown="whether people are worse off, and what happens to items that are rarely shown: only well-seen pairs are measured. "
        "All items share the same places and people, so what a push takes from similar ones is in the gain and not told apart.",
        step="raise the exploration share of the training data, or weigh clicks by propensity, before the next retrain.",
    ),
    "training_health": Wording(
        up="too little of what people are shown is drawn at random",
        down="too little of what people are shown is drawn at random",
        moved="too little of what people are shown is drawn at random",
        over="enough of what people are shown is drawn at random again",
        unknown="what people would have made of the items that they are never shown.",
        step="restore the exploration share before the next retrain; until then the model learns only what it already believes.",
    ),
    "divergence": Wording(
        up="engagement of the exposed is above the holdout's, and {metric} has become worse than the holdout's",
        down="engagement of the exposed is above the holdout's, and {metric} has become worse than the holdout's",
        moved="engagement of the exposed is above the holdout's, and {metric} has become worse than the holdout's",
        over="engagement above the holdout's no longer goes with worse {metric}",
        unknown="whether one causes the other, and whether it lasts. It speaks of the whole time since it watches, so a new harm "
        "shows late; the holdout also sees what exposed people made popular, so the true gap may be larger.",
        step="hold the next retrain; look at what gained clicks since then and brings no {metric}.",
    ),
    "tail_collapse": Wording(
        up="more of what was rare is shown or answered than before",
        down="what was rare vanishes from what the model shows or answers",
        moved="the share of what was rare has changed",
        over="what was rare is shown or answered again",
        unknown="whether people miss it: this is what the model gives, not what they make of it.",
        step="compare the versions below; if the last one lost it, look at what it was trained on, and hold the next.",
    ),
    "calibration_gap": Wording(
        up="scores foretell more where the model shows an item than where it does not",
        down="scores foretell less where the model shows an item than where it does not",
        moved="at equal scores, what exposed and held-out people are shown brings {metric} at different rates",
        over="at equal scores exposed people and the holdout differ no more than before",
        unknown="why: a score no longer means the same where the model chooses, which is no proof that the model feeds on itself. "
        "Held-out people see items that the exposed made popular, so the true gap may be larger.",
        step="set no threshold by these scores and train on none of them as probabilities; recalibrate on what the holdout is shown.",
    ),
    "effective_sample": Wording(
        up="what exposed people are shown can teach the next model more than before",
        down="what exposed people are shown can teach the next model less than before",
        moved="how much the next model can learn from what exposed people are shown has changed",
        over="the next model can learn as much as before from what exposed people are shown",
        unknown="whether anybody is worse off: this is what can be learned from the data, not what people make of it.",
        step="raise the exploration share before the next retrain; trust no estimate that is weighted by these propensities.",
    ),
    "flywheel": Wording(
        up="more feedback hardly improves {metric} any more (an insight, not a finding)",
        down="more feedback no longer improves {metric} (an insight, not a finding)",
        moved="more feedback no longer improves {metric} (an insight, not a finding)",
        over="more feedback improves {metric} again",
        unknown="why: a model that is as good as it can get stalls as well, and so does one that learns only what it already believes. "
        "Held-out people see items that the exposed made popular: what feedback buys them too is not in it.",
        step="look at the exploration share of the training data, and at what the labels of the last periods are about.",
    ),
    "churn": Wording(
        up="the model keeps replacing what it shows most (an insight, not a finding)",
        down="the model keeps replacing what it shows most (an insight, not a finding)",
        moved="the model keeps replacing what it shows most (an insight, not a finding)",
        over="what the model shows most stays again",
        unknown="why: a model that has learned something new replaces items as well, and no closed loop is known by this.",
        step="train the same data twice: if what is shown most differs as much, retraining decides by chance what people see.",
    ),
    "rejects": Wording(
        up="{metric}: too many records cannot be used",
        down="{metric}: too many records cannot be used",
        moved="{metric}: too many records cannot be used",
        over="{metric}: the records can be used again",
        unknown="what the records held that cannot be used. Other watches of this model are stale until it ends.",
        step="look at what was refused and why: `loopwatch dead-letters list`; then at who writes the topic.",
    ),
    "freshness": Wording(
        up="{metric}: more events come than expected",
        down="{metric}: fewer events come than expected",
        moved="{metric}: events have stopped coming",
        over="{metric}: events are coming again",
        unknown="whether the model is down or only its events are. Its other watches are stale until events return.",
        step="look at the producer and at the topic's lag; then at the model itself.",
    ),
}

HINT = Wording(
    up="{metric} may be rising (a hint, not a finding)",
    down="{metric} may be falling (a hint, not a finding)",
    moved="{metric} may look different from before (a hint, not a finding)",
    over="the hint about {metric} is over",
    unknown="how often such a hint is false: this detector promises no error rate.",
    step="nothing on its own account; read it beside the findings of this model.",
)

GENERIC = Wording(
    up="{metric} is higher than it should be",
    down="{metric} is lower than it should be",
    moved="{metric} is not as it should be",
    over="{metric} is as it should be again",
    unknown="what is not measured here: outcomes that have not matured, and people who are in neither group.",
    step="look at the evidence below, and at what changed near then.",
)


def wording_of(detector: str, compared: str | None = None) -> Wording:
    """The vocabulary of a detector: its own, that of hints for `river_*`, else a general one; said of what is `compared`."""
    words = HINT if detector.startswith("river_") else WORDINGS.get(detector, GENERIC)
    if compared is None:
        return words
    return Wording(**{each.name: reworded(getattr(words, each.name), compared) for each in fields(words)})
