"""What a person does to a running model: arm, rearm, resend, erase; taken with the next turn, or refused in words."""

from __future__ import annotations

import json
import sqlite3

from monitor.alerting.alert import Delivery, Outcome
from monitor.app import open_store
from monitor.clock import ManualClock, SystemClock
from monitor.events import Reject
from monitor.store.protocols import Step
from monitor.store.via_sql import SqlStore
from tests.app.conftest import CommandLine
from tests.store.places import notification

MODEL = "open-bandit"


def test_arm_and_rearm_leave_commands_for_the_next_turn(loopwatch: CommandLine) -> None:
    loopwatch.write(f"database: {loopwatch.database}")
    assert loopwatch("arm", "--model", "open-bandit").exit_code == 0
    assert loopwatch("rearm", "--model", "open-bandit", "--watch", "clicks").exit_code == 0
    store = SqlStore(loopwatch.database, ManualClock())
    commands = store.commands("open-bandit")
    store.close()
    assert [(c.verb, c.target) for c in commands] == [("arm", ""), ("rearm", "clicks")]
    assert all(c.author and c.asked_at for c in commands)


def test_messages_that_were_given_up_are_sent_again_on_request_and_the_audit_says_who_asked(
    loopwatch: CommandLine,
) -> None:
    store = open_store(loopwatch.database, SystemClock())
    lease = store.acquire("test", 60_000)
    assert lease is not None
    told = [notification(f"7f3/{n}", model="open-bandit", destination=f"d{n}") for n in range(2)]
    store.commit(Step(model="open-bandit", number=1, outbox=told), lease)
    none = loopwatch("resend", "--model", "open-bandit")
    assert (none.exit_code, none.stderr) == (1, "open-bandit has no such message; given up were: none\n")
    for row in store.due(2**50, 10):
        store.begin(row.id, 1, lease)
        store.settle(row.id, Delivery(outcome=Outcome.REFUSED, reason="channel_not_found"), 2, None, lease)
    done = loopwatch("resend", "--model", "open-bandit", "--row", "2")
    assert (done.exit_code, done.stdout) == (0, "open-bandit: 1 message(s) are sent again from its next turn on\n")
    (command,) = store.commands("open-bandit")
    store.commit(Step(model="open-bandit", number=2, commands=[command.number]), lease)
    assert [row.id for row in store.due(2**50, 10)] == [2]
    (act,) = store.details("open-bandit", 1, 10).values()
    assert json.loads(act)["verb"] == "resend"
    assert json.loads(act)["author"]
    store.close()


def test_commands_about_what_is_not_there_are_refused_with_what_is(loopwatch: CommandLine) -> None:
    no_model = loopwatch("arm", "--model", "absent")
    assert no_model.exit_code == 2
    assert "no model named 'absent'; this config has open-bandit" in no_model.stderr
    no_watch = loopwatch("rearm", "--model", "open-bandit", "--watch", "absent")
    assert no_watch.exit_code == 2
    assert "open-bandit has no watch named 'absent'; it has " in no_watch.stderr
    assert "clicks" in no_watch.stderr


def test_an_act_on_a_store_that_knows_nothing_of_the_model_says_so_and_a_fault_is_told_once(
    loopwatch: CommandLine,
) -> None:
    (loopwatch.folder / "models").mkdir()
    text = loopwatch.config.read_text()
    shared, _, model = text.partition("\nmodel: ")
    model = "model: " + model.split("\nslack:")[0]
    (loopwatch.folder / "models" / "good.yaml").write_text(model)
    (loopwatch.folder / "models" / "bad.yaml").write_text("model: bad\nkind: nonsense\n")
    loopwatch.config.write_text(f"{shared}\nmodels: models/*.yaml\n")
    done = loopwatch("arm", "--model", "open-bandit")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("bad.yaml:2") == 1
    assert "nothing is stored yet of open-bandit in the database of this config" in done.stderr


def test_erase_leaves_the_id_nowhere(loopwatch: CommandLine) -> None:
    person = "person-0815-h1dden"
    store = open_store(loopwatch.database, SystemClock())
    lease = store.acquire("test", 60_000)
    assert lease is not None
    letter = Reject(topic="t", partition=0, offset=1, timestamp=1, reason="no JSON", raw=f'{{"u": "{person}"'.encode())
    store.commit(Step(model="open-bandit", number=1, rejects=[letter]), lease)
    done = loopwatch("erase", "--model", "open-bandit", "--unit", person)
    assert done.exit_code == 0, done.stderr
    assert "forgotten from the next turn on; 1 dead letter(s) lost their bytes" in done.stdout
    (command,) = store.commands("open-bandit")
    assert (command.verb, list(command.arguments)) == ("erase", ["unit", "after"])
    store.commit(Step(model="open-bandit", number=2, commands=[command.number]), lease)
    store.close()
    with sqlite3.connect(loopwatch.folder / "loopwatch.db") as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert person not in dump
    assert str(command.arguments["unit"]) not in dump
    assert person.encode() not in (loopwatch.folder / "loopwatch.db").read_bytes(), (
        "SQLite leaves deleted bytes in its file"
    )
    assert loopwatch("erase", "--model", "absent", "--unit", "x").exit_code == 2
    assert loopwatch("erase", "--unit", person).exit_code == 0
    store = open_store(loopwatch.database, SystemClock())
    (command,) = store.commands("open-bandit")
    store.commit(Step(model="another", number=1), lease)
    store.close()
    assert command.verb == "erase"
    done = loopwatch("erase", "--unit", person)
    assert done.exit_code == 1
    assert "another is stored, but cannot be watched by this config" in done.stderr
    assert loopwatch("erase", "--model", "open-bandit", "--unit", "").exit_code == 2


def test_erase_asks_every_model_also_one_without_watches(loopwatch: CommandLine) -> None:
    shared, _, model = loopwatch.config.read_text().partition("\nmodel: ")
    own = "model: " + model.split("\nslack:")[0]
    unwatched = (
        "model: another\nkind: classifier\nwatch: { freshness.predictions: false, rejects.predictions: false }\n"
        "predictions: { topic: seen, id: id }\n"
    )
    (loopwatch.folder / "models").mkdir()
    for name, text in (("another", unwatched), ("own", own)):
        (loopwatch.folder / "models" / f"{name}.yaml").write_text(text)
    loopwatch.config.write_text(f"{shared}\nmodels: models/*.yaml\n")
    done = loopwatch("erase", "--unit", "somebody")
    assert done.exit_code == 0, done.output
    assert "another: the unit is forgotten from the next turn on" in done.stdout
    store = open_store(loopwatch.database, SystemClock())
    assert [[c.verb for c in store.commands(name)] for name in ("another", MODEL)] == [["erase"], ["erase"]]
    store.close()
