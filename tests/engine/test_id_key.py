"""The key that ids are hashed with belongs to what is remembered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detectors import snapshot
from monitor.ingest.identity import check_of, key_of
from monitor.memory import ModelMemory, PlanChanged, build_step, load
from monitor.store.protocols import Image, Page
from monitor.watch.plan import ModelPlan
from tests.engine.shop import shop_plan

SECRET = "a secret of many characters"


def remembered(plan: ModelPlan) -> Image:
    """What is stored after a first step."""
    memory: ModelMemory = load(plan, Image())
    step = build_step(memory, {}, ())
    return Image(number=1, pages=[page for page in step.pages if page.data is not None])


def of_a_release_without_keys(image: Image) -> Image:
    """The same, as it was written before there was a key to note."""
    pages = []
    for page in image.pages:
        if page.room == "progress" and page.data is not None:
            told = snapshot.unpack(page.data)
            del told["key"]
            page = Page(page.room, page.key, snapshot.pack(told))  # noqa: PLW2901  # the page as it was
        pages.append(page)
    return Image(number=1, pages=pages)


def test_the_same_key_goes_on_and_another_is_refused_in_words_that_name_neither() -> None:
    plain = shop_plan()
    keyed = replace(plain, hash_key=key_of(plain.model, SECRET))
    load(keyed, remembered(keyed))
    for before, after in (
        (keyed, plain),
        (plain, keyed),
        (keyed, replace(keyed, hash_key=key_of("shop", "other" * 9))),
    ):
        with pytest.raises(PlanChanged, match=r"the key that ids are hashed with \(ids:\) is not the one") as refused:
            load(after, remembered(before))
        assert SECRET not in str(refused.value)


def test_what_was_written_before_keys_were_noted_had_none() -> None:
    plain = shop_plan()
    old = of_a_release_without_keys(remembered(plain))
    load(plain, old)
    with pytest.raises(PlanChanged):
        load(replace(plain, hash_key=key_of(plain.model, SECRET)), old)


def test_every_model_has_a_key_of_its_own_and_the_check_tells_nothing_of_it() -> None:
    keys = [key_of("a", SECRET), key_of("b", SECRET), key_of("a", SECRET + "x"), key_of("a")]
    assert len(set(keys)) == len({check_of(key) for key in keys}) == 4
    assert all(len(key) <= 64 for key in keys)
    assert all(check_of(key) not in key.hex() for key in keys)
