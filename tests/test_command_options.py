"""The command line of a small connector of our own: options, help and tables for inputs that Zoom's actions lack."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from connector_runtime.commands import cli
from connector_runtime.commands.author_commands import read_document
from connector_runtime.definitions import folders
from connector_runtime.errors import InputError
from tests.conftest import Run, in_process

LETTERS = list("abcdefghijkl")
CONNECTOR = """
key: acme
label: Run
version: 1.2.3
language: en
base_url: https://api.acme.example
"""
ACTION = f"""
key: file-report
label: File Report
description: File a report
effect: create
request: {{method: POST, path: "/reports/{{folder}}"}}
inputs:
  folder: {{type: string, required: true, comments: Where it goes., example: my desk}}
  count: {{type: integer, required: true, to: body.count, schema: {{minimum: 1, maximum: 9}}}}
  bare: {{type: string, to: body.bare}}
  ratio: {{type: number, to: body.ratio, comments: 50% is 0.5}}
  day: {{type: datetime, to: body.day}}
  spare: {{type: json, to: body.spare}}
  code: {{type: string, to: body.code, schema: {{minLength: 2, maxLength: 8}}}}
  note: {{type: text, to: body.note, comments: A note., schema: {{maxLength: 90}}}}
  least: {{type: integer, to: body.least, schema: {{minimum: 3}}}}
  tags: {{type: string, collection: list, to: body.tags}}
  heads: {{type: string, collection: map, to: "query.*"}}
  five: {{type: string, to: body.five, choices: [{", ".join(LETTERS[:5])}]}}
  six: {{type: string, to: body.six, choices: [{", ".join(LETTERS[:6])}]}}
  ten: {{type: string, to: body.ten, choices: [{", ".join(LETTERS[:10])}]}}
  twelve: {{type: string, to: body.twelve, choices: [{", ".join(LETTERS)}]}}
  kind: {{type: integer, to: body.kind, choices: [{{value: 1, label: One}}, {{value: 2, label: Two}}]}}
  scan: {{type: file, to: part.scan}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "acme"
    (made / "actions").mkdir(parents=True)
    (made / "connector.yaml").write_text(CONNECTOR)
    (made / "actions" / "file-report.yaml").write_text(ACTION)
    return made


@pytest.fixture
def acme(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command of this connector: exit code, stdout, stderr."""
    for name in [name for name in os.environ if name.startswith("ACME_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(folder.parent))
    monkeypatch.setenv("COLUMNS", "200")
    main = partial(cli.main, prog="acme", load=lambda path: folders.load(path or folder), example="file-report")
    return in_process(main, capsys, monkeypatch)


def wrong(subject: str, where: str, what: str) -> tuple[int, str, str]:
    return 2, "", f"error: One problem with the inputs of {subject}:\n  {where}: {what}\n"


def body(acme: Run, *options: str, typed: str = "") -> Any:
    """The body of the request that the options become."""
    code, out, err = acme("preview", "file-report", "--folder", "x", "--count", "1", *options, typed=typed)
    assert (code, err) == (0, "")
    return json.loads(out)["body"]


def query(acme: Run, *options: str) -> str:
    """The query of the request that the options become."""
    out = acme("preview", "file-report", "--folder", "x", "--count", "1", *options)[1]
    return urlsplit(json.loads(out)["url"]).query


# -- help --------------------------------------------------------------------------------------------------------------


def test_the_help_of_an_input_is_its_comments_else_its_kind_then_choices_limits_and_whether_it_is_required(
    acme: Run,
) -> None:
    code, out, err = acme("run", "file-report", "--help")
    assert (code, err) == (0, "")
    lines = out.partition("\ninputs:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.strip() for line in lines] == [
        "--folder TEXT        Where it goes. Required",
        "--count N            whole number. From 1 to 9. Required",
        "--bare TEXT          text",
        "--ratio N            50% is 0.5",
        "--day TEXT           date and time",
        "--spare JSON         JSON",
        "--code TEXT          text. 2 to 8 characters",
        "--note TEXT          A note. At most 90 characters",
        "--least N            whole number. From 3 to any",
        "--tags TEXT[,TEXT…]  list of strings",
        "--heads NAME=VALUE   map of strings",
        "--five {a,b,c,d,e}   text. One of: a · b · c · d · e",
        "--six TEXT           text. One of: a · b · c · d · e · f",
        "--ten TEXT           text. One of: a · b · c · d · e · f · g · h · i · j",
        "--twelve TEXT        text. One of: a · b · c · d · e · f · g · h · i · j · and 2 more",
        "--kind N             whole number. One of: 1 One · 2 Two",
        "--scan TEXT          file",
    ]
    assert out.startswith("usage: acme run file-report [--folder TEXT] ")
    assert out.partition("\n\n")[2].startswith("File Report: File a report\n\ninputs:\n")
    assert re.search(r"\n  -h, --help +show this help\n", out)
    assert out.endswith("\n\nexample: acme run file-report --folder 'my desk' --count N\n")


def test_an_action_is_shown_with_the_kind_limits_and_choices_of_each_input(acme: Run) -> None:
    code, out, err = acme("show", "file-report")
    assert (code, err) == (0, "")
    head, *inputs = out.rstrip("\n").split("\n\n")
    assert head == "File Report (file-report)\n  File a report\n  POST /reports/{folder} · effect: create"
    assert inputs == [
        "  Folder  --folder  text  required\n      Where it goes.\n      Example: my desk",
        "  Count  --count  whole number  required\n      From 1 to 9.",
        "  Bare  --bare  text",
        "  Ratio  --ratio  number\n      50% is 0.5",
        "  Day  --day  date and time",
        "  Spare  --spare  JSON",
        "  Code  --code  text\n      2 to 8 characters.",
        "  Note  --note  text\n      A note.\n      At most 90 characters.",
        "  Least  --least  whole number\n      From 3 to any.",
        "  Tags  --tags  list of strings",
        "  Heads  --heads  map of strings",
        "  Five  --five  text\n      One of: a · b · c · d · e",
        "  Six  --six  text\n      One of: a · b · c · d · e · f",
        "  Ten  --ten  text\n      One of: a · b · c · d · e · f · g · h · i · j",
        "  Twelve  --twelve  text\n      One of: a · b · c · d · e · f · g · h · i · j · k · l",
        "  Kind  --kind  whole number\n      One of: 1 One · 2 Two",
        "  Scan  --scan  file",
    ]
    undeclared = "File Report (file-report) returns the vendor's response; its fields are not declared.\n"
    assert acme("show", "file-report", "--output") == (0, undeclared, "")


@pytest.mark.parametrize(("columns", "width"), [("300", 110), ("110", 110), ("70", 70), ("40", 40), ("9", 40)])
def test_help_is_wrapped_at_the_terminals_width_from_40_to_110_characters(
    acme: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, columns: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    file = folder / "actions" / "file-report.yaml"
    fits, exceeds = (f"a {'b' * (width - 6 - 2 + more)}" for more in (0, 1))
    for comments, lines in ((fits, [fits]), (exceeds, ["a", exceeds[2:]])):
        file.write_text(ACTION.replace("comments: Where it goes.", f"comments: {comments}"))
        shown = acme("show", "file-report")[1].partition("  Folder  --folder  text  required\n")[2]
        assert shown.splitlines()[: len(lines)] == [f"      {line}" for line in lines]


def test_a_connector_without_lists_triggers_files_or_scopes_says_so(acme: Run) -> None:
    assert acme("list") == (0, "file-report  File Report  File a report\n", "")
    assert acme("scopes") == (0, "", "These actions need no scopes.\n")
    assert acme("events") == (2, "", "error: Run has no trigger.\n")
    hint = "An action names its files under `files`."
    assert acme("download", "1") == (2, "", f"error: No action of this connector offers files. {hint}\n")
    out = acme("choices", "--help")[1]
    assert "lists: " not in out and out.endswith("\n\nexamples:\n  acme choices file-report five --search TEXT\n")


# -- values ------------------------------------------------------------------------------------------------------------


def test_a_list_is_one_text_or_json_or_an_option_for_each_value(acme: Run) -> None:
    for options in (("--tags", "a,b"), ("--tags", '["a", "b"]'), ("--tags", "a", "--tags", "b")):
        assert body(acme, *options)["tags"] == ["a", "b"]


def test_a_map_is_pairs_or_one_json_object(acme: Run) -> None:
    for options in (
        ("--heads", "a=1", "--heads", "b=x=@y"),
        ("--heads", '{"a": "1", "b": "x=@y"}'),
        ("--heads", ' [{"key": "a", "value": "1"}, {"key": "b", "value": "x=@y"}]'),
    ):
        assert query(acme, *options) == "a=1&b=x%3D%40y"
    assert query(acme, "--heads", "a=@b") == "a=%40b"  # only a file is read from its path
    assert query(acme, "--heads", "[a]=1", "--heads", "b=") == "%5Ba%5D=1&b="
    code, out, err = acme("preview", "file-report", "--folder", "x", "--count", "1", "--heads", "{a}", "--heads", "b")
    assert (code, out) == (2, "") and "--heads: '{a}' must be NAME=VALUE" in err


def test_an_underscore_in_an_option_is_a_hyphen_but_not_in_its_value(acme: Run) -> None:
    assert acme("preview", "file-report", "--help")[1].count("--base-url URL") > 0
    code, out, _ = acme("preview", "file-report", "--folder=a_b", "--count=1", "--base_url=https://x.acme.example/a_b")
    assert (code, json.loads(out)["url"]) == (0, "https://x.acme.example/a_b/reports/a_b")


def test_a_file_of_inputs_must_hold_an_object(acme: Run, tmp_path: Path) -> None:
    subject = "acme preview file-report"
    file = tmp_path / "inputs.json"
    file.write_text("[1]")
    what = 'must contain a JSON object such as {"topic": "Weekly"}'
    assert acme("preview", "file-report", "--inputs", str(file)) == wrong(subject, str(file), what)
    missing = f"{tmp_path}/none.json"
    unread = "cannot be read: No such file or directory"
    assert acme("preview", "file-report", "--inputs", missing) == wrong(subject, missing, unread)
    what = "is not JSON: Expecting value: line 1 column 1 (char 0)"
    assert acme("preview", "file-report", "--inputs", "-", typed="x") == wrong(subject, "-", what)
    typed = '{"folder": "x", "count": 2, "bare": "é", "ratio": 0.5}'
    code, out, err = acme("preview", "file-report", "--inputs", "-", "--count", "3", typed=typed)
    assert (code, err) == (0, "") and json.loads(out)["body"] == {"count": 3, "bare": "é", "ratio": 0.5}
    assert '\n  "method": "POST"' in f"\n{out}" and '"bare": "é"' in out  # indented, and readable in any language


# -- files -------------------------------------------------------------------------------------------------------------

FILES = """
key: upload
label: Upload
description: Upload files
effect: create
request: {method: POST, path: /uploads}
inputs:
  scan: {type: file, to: part.scan}
  more: {type: file, collection: map, to: "part.*"}
  note: {type: json, to: part.note}
"""


def parts(acme: Run, *options: str, typed: str = "{}") -> list[dict[str, Any]]:
    code, out, err = acme("preview", "upload", "--inputs", "-", *options, typed=typed)
    assert (code, err) == (0, "")
    return json.loads(out)["body"]["multipart"]  # type: ignore[no-any-return]


def test_a_file_is_read_from_its_path_and_its_name_says_its_type(acme: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "actions" / "upload.yaml").write_text(FILES)
    logo, odd = tmp_path / "logo.png", tmp_path / "odd.zzz"
    logo.write_bytes(b"\x89PNG")
    odd.write_bytes(b"12")
    png = {"filename": "logo.png", "content_type": "image/png", "bytes": 4}
    zzz = {"filename": "odd.zzz", "content_type": "application/octet-stream", "bytes": 2}
    single = json.dumps({"scan": {"path": str(logo)}})
    assert parts(acme, typed=single) == [{"name": "scan", **png}]
    several = json.dumps({"more": {"a": {"path": str(logo)}, "b": {"path": str(odd)}}})
    assert parts(acme, typed=several) == [{"name": "a", **png}, {"name": "b", **zzz}]
    assert parts(acme, "--more", f"a=@{logo}", "--more", f"b=@{odd}") == [{"name": "a", **png}, {"name": "b", **zzz}]
    assert parts(acme, "--more", "c=text")[0]["bytes"] == 4  # the text is the file
    content = {"filename": "a.txt", "content_type": "text/plain", "base64": base64.b64encode(b"abc").decode()}
    plain = {"name": "scan", "filename": "a.txt", "content_type": "text/plain", "bytes": 3}
    assert parts(acme, typed=json.dumps({"scan": content})) == [plain]
    assert str(logo) in str(parts(acme, typed=json.dumps({"note": {"path": str(logo)}})))  # no file: it stays data


def test_all_files_that_cannot_be_read_are_named_at_once(acme: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "actions" / "upload.yaml").write_text(FILES)
    typed = json.dumps({"scan": {"path": "/no/such.png"}, "more": {"a": {"path": str(tmp_path)}}})
    code, out, err = acme("preview", "upload", "--inputs", "-", typed=typed)
    assert (code, out) == (2, "") and err.splitlines()[:3] == [
        "error: 2 problems with the inputs of acme preview upload:",
        "  inputs.scan: /no/such.png: No such file or directory",
        f"  inputs.more: {tmp_path}: Is a directory",
    ]
    typed = json.dumps({"scan": {"path": "/no/such.png", "name": "x"}})  # more than a path
    code, out, err = acme("preview", "upload", "--inputs", "-", typed=typed)
    assert (code, out) == (2, "") and "inputs.scan: " in err and "No such file" not in err


# -- choices -----------------------------------------------------------------------------------------------------------


def test_choices_that_the_definition_lists_need_no_connection(acme: Run) -> None:
    assert acme("choices", "file-report", "kind") == (0, "1  One\n2  Two\n", "")
    assert acme("choices", "file-report", "kind", "--search", "TWO") == (0, "2  Two\n", "")
    assert acme("choices", "file-report", "kind", "--search", "three") == (0, "", "no choices\n")
    code, out, err = acme("choices", "file-report", "kind", "--search", "one", "--json")
    entry = """
    {
      "value": 1,
      "label": "One",
      "description": null
    }
  """
    assert (code, out, err) == (0, f'{{\n  "choices": [{entry}],\n  "cursor": null\n}}\n', "")


# -- documents of authors ----------------------------------------------------------------------------------------------


def test_a_document_of_an_author_is_json_or_yaml_whose_dates_stay_text(tmp_path: Path) -> None:
    file = tmp_path / "document"
    date, moment = "2026-11-01", "2026-11-01T10:00:00Z"
    for text, data in (
        (
            f'\n {{"a": 1e3, "b": 1.0, "c": "{date}", "d": [null, true]}}',
            {"a": 1e3, "b": 1.0, "c": date, "d": [None, True]},
        ),
        (f"a: 1.5\nb: {date}\nc: {moment}\nd: [yes, 7]", {"a": 1.5, "b": date, "c": moment, "d": [True, 7]}),
        ("é: 🎉", {"é": "🎉"}),
        ("[1, 2]", [1, 2]),
    ):
        file.write_text(text, encoding="utf-8")
        assert read_document(str(file)) == data


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": }', "Expecting value: line 1 column 7 (char 6)"),
        ("a: [1\nb: 2", "while parsing a flow sequence"),
        ("a: 1\n---\nb: 2\n", "expected a single document in the stream"),
    ],
)
def test_a_document_that_is_neither_says_why_on_one_line(acme: Run, folder: Path, text: str, why: str) -> None:
    file = folder / "openapi"
    file.write_text(text)
    words = ("new", "get-thing", "--from", str(file), "--operation", "x", "--folder", str(folder))
    assert acme(*words) == wrong("new", str(file), f"is neither JSON nor YAML: {why}")
    with pytest.raises(InputError) as refused:
        read_document(str(file))
    assert [problem.where for problem in refused.value.problems] == [str(file)]


def test_a_comparison_ends_with_1_only_if_a_change_breaks_flows(acme: Run, folder: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text(acme("catalogue")[1])
    file = folder / "actions" / "file-report.yaml"
    file.write_text(f"{ACTION}  late: {{type: string, to: body.late, comments: New.}}\n")
    code, out, err = acme("diff", str(old), str(folder))
    assert code == 0 and len(out.splitlines()) == 1 and "late" in out
    assert err == "1 change, none breaking; after 1.2.3 the version must be at least 1.3.0; NEW has 1.2.3\n"
    code, out, err = acme("diff", str(old), str(folder), "--json")
    found = json.loads(out)
    assert (code, list(found), found["breaking"], found["version"]) == (
        0,
        ["breaking", "version", "changes"],
        0,
        "1.3.0",
    )
    assert out.startswith('{\n  "breaking": 0,\n')
    code, out, err = acme("diff", str(folder), str(old))  # an input less breaks them
    assert code == 1 and err.startswith("1 change, 1 breaking; after 1.2.3 the version must be at least 2.0.0")
    shutil.rmtree(folder / "actions")
    file = tmp_path / "broken.json"
    file.write_text("{")
    what = "is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    assert acme("diff", str(old), str(file)) == wrong("diff", str(file), what)


# -- an action with all that a definition can say ----------------------------------------------------------------------

HALL = """
key: rent-hall
label: Rent Hall
description: Rent a hall
docs: https://acme.example/halls
rate_limit: heavy
scopes: {granular: ["hall:write", ["hall:read", "user:read"]]}
request: {method: PUT, path: /halls}
inputs:
  size: {type: integer, required: true, to: body.size, choices: [{value: 10, label: Small}, {value: 500, label: Large}]}
  seats: {type: boolean, required: true, default: true, to: body.seats}
  plan: {type: string, required: {size: 500}, to: body.plan, example: rows}
  bar: {type: boolean, only_when: {size: 500}, default: false, to: body.bar}
  door: {type: string, to: body.door, deprecated: Use Gate., if_absent: the main one}
  gate: {type: string, to: body.gate, was: [port, entry], schema: {maxLength: 5}}
  key: {type: secret, to: body.key, example: s3cret}
rules:
  - {at_least_one: [door, gate], when: {size: 500}}
  - {together: [gate, key]}
output:
  schema:
    type: object
    properties:
      id: {type: integer, description: the hall's number}
      pin: {type: string, x-secret: true}
      owner: {type: object, properties: {name: {type: [string, "null"]}}}
      days: {type: array, items: {type: string, format: date}}
"""


def test_all_that_a_definition_says_of_an_action_is_shown(acme: Run, folder: Path) -> None:
    (folder / "actions" / "rent-hall.yaml").write_text(HALL)
    assert acme("check") == (0, "", "2 actions, no triggers, no connections: no faults\n")
    code, out, err = acme("show", "rent-hall")
    assert (code, err) == (0, "")
    assert (
        out
        == """Rent Hall (rent-hall)
  Rent a hall
  PUT /halls · effect: by method · rate limit: heavy
  granular scope: hall:write or hall:read with user:read
  https://acme.example/halls

  Size  --size  whole number  required
      One of: 10 Small · 500 Large

  Seats  --seats  true or false
      Filled in if omitted: true

  Plan  --plan  text  required when 'Size' is Large
      Example: rows

  Bar  --bar  true or false
      Only when 'Size' is Large.
      Published default (shown, not sent): false

  Door  --door  text
      Deprecated: Use Gate.
      If omitted: the main one

  Gate  --gate  text
      Old name, still accepted: port, entry
      At most 5 characters.

  Key  --key  secret text

  at least one of: Door, Gate when 'Size' is Large
  all or none of: Gate, Key
"""
    )
    code, out, err = acme("show", "rent-hall", "--output")
    assert (code, err) == (0, "")
    assert (
        out
        == """Rent Hall (rent-hall) returns:
  id  whole number · the hall's number
  pin  text · secret
  owner.name  text or null
  days  list
  days.*  text
"""
    )
    out = acme("run", "rent-hall", "--help")[1]
    assert "  --size N              whole number. One of: 10 Small · 500 Large. Required\n" in out
    assert "  --seats [true|false]  true or false\n" in out  # its default is filled in
    assert out.endswith("\nexample: acme run rent-hall --size 10\n")
    assert acme("scopes") == (0, "granular scopes:\n  hall:write\n", "")


def test_an_example_on_the_command_line_is_data_as_json(acme: Run, folder: Path) -> None:
    text = HALL.replace(
        "required: {size: 500}, to: body.plan, example: rows",
        "to: body.plan, type: json, required: true, example: {é: [1]}",
    )
    (folder / "actions" / "rent-hall.yaml").write_text(text.replace("plan: {type: string, ", "plan: {"))
    assert acme("run", "rent-hall", "--help")[1].endswith("rent-hall --size 10 --plan '{\"é\": [1]}'\n")
    assert '\n      Example: {"é": [1]}\n' in acme("show", "rent-hall")[1]


def test_a_document_with_half_a_character_makes_no_draft(acme: Run, folder: Path) -> None:
    operation = {"operationId": "x", "summary": "half \ud83d of a pair", "responses": {}}
    (folder / "openapi").write_text(json.dumps({"openapi": "3.1.0", "paths": {"/x": {"get": operation}}}))
    words = ("new", "get-x", "--from", str(folder / "openapi"), "--operation", "x", "--folder", str(folder))
    code, out, err = acme(*words)
    assert (code, out) == (2, "")
    assert (
        "--from: describes the operation in a way that OpenAPI does not allow (" in err
        and "; correct the document" in err
    )
    assert not (folder / "actions" / "get-x.yaml").exists()


def test_the_help_of_choices_tells_how_to_see_what_they_depend_on(acme: Run) -> None:
    assert (
        "`acme choices ACTION INPUT --help` lists the inputs that the choices depend on."
        in acme("choices", "--help")[1]
    )
