"""A config whose secrets are elsewhere can be checked, and every fault of it is told."""

from __future__ import annotations

from tests.app.conftest import CommandLine

ABSENT_SECRETS = """\
kafka: {{ brokers: 'a:1', sasl: {{ mechanism: SCRAM-SHA-512, user: u, password_file: {folder}/absent }} }}
slack: {{ url_file: {folder}/absent }}
notify: {{ post: '${{POST_URL_THAT_NOBODY_SET}}' }}
database: {{ url_file: absent }}
teams: {{ default: {{ page: [slack, post] }} }}
"""


def test_check_tells_of_absent_secrets_and_run_refuses_and_both_tell_every_fault(loopwatch: CommandLine) -> None:
    model = "model: m\nkind: recommender\npredictions: { topic: slates, time: at }\n"
    shared = ABSENT_SECRETS.format(folder=loopwatch.folder)
    loopwatch.config.write_text(shared + model)
    checked, run = loopwatch("check"), loopwatch("run")
    assert (checked.exit_code, run.exit_code) == (0, 2), checked.stderr
    for done in (checked, run):
        lines = done.stderr.splitlines()
        assert [line.partition(f"{loopwatch.config}:")[2].split(" (")[0] for line in lines] == [
            "1: kafka.sasl.password_file: names a file that cannot be found",
            "2: slack.url_file: names a file that cannot be found",
            "3: notify.post: the environment variable POST_URL_THAT_NOBODY_SET is not set; set it, or write "
            "${POST_URL_THAT_NOBODY_SET:-default}",
            "4: database.url_file: names a file that cannot be found; it is relative to this file",
        ]
        assert ("checked without it" in done.stderr) == (done is checked)
    assert not (loopwatch.folder / "loopwatch.db").exists()
    loopwatch.config.write_text(shared + model.replace("time", "tmie") + "window: 300\n")
    for command in ("check", "run"):
        done = loopwatch(command)
        assert done.exit_code == 2
        for said in (
            "slack.url_file: names",
            "predictions.tmie: unknown key; did you mean time?",
            "window: 300 is not",
        ):
            assert said in done.stderr
