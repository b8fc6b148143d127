"""Programs that are published as packages, unmodified, in functions that bring them."""

import gzip
import http.server
import json
import time

import pytest

from harness import clients, published
from harness.functions import public
from harness.upstream import serving

# The first test waits until the runtime is built, and may install the packages.
pytestmark = pytest.mark.timeout(1200)


class Handler(http.server.BaseHTTPRequestHandler):
    """Tells what it was asked, in the way that the path names."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        told = {
            "method": self.command,
            "path": self.path,
            "agent": self.headers.get("User-Agent", "").partition("/")[0],
            "authorization": self.headers.get("Authorization"),
            "cookie": self.headers.get("Cookie"),
            "body": self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode(),
        }
        body, status, headers = json.dumps(told).encode(), 200, {"Content-Type": "application/json"}
        if self.path == "/moved":
            status, headers["Location"] = 302, "/here?a=1"
        elif self.path == "/cookie":
            headers["Set-Cookie"] = "kept=1"
        elif self.path == "/squeezed":
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        elif self.path == "/missing":
            status = 404
        elif self.path == "/slow":
            time.sleep(1.5)
        elif self.path == "/large":
            body = b"x" * 300_000
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        try:
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            assert self.path == "/slow", "only there the client is not to wait"

    do_POST = do_GET

    def log_message(self, *arguments):
        pass


@pytest.fixture
def port():
    """That of a server on loopback."""
    with serving(Handler) as port:
        yield port


def test_what_functions_are_given(python_packages, node_packages):
    found = {path.partition("/")[0] for path in python_packages("requests") if path.endswith("/__init__.py")}
    assert found == {"requests", "certifi", "charset_normalizer", "idna", "urllib3"}
    found = {path.split("/")[1] for path in node_packages("ajv")}
    assert found == {"ajv", "fast-deep-equal", "fast-uri", "json-schema-traverse", "require-from-string"}
    for files in (python_packages, node_packages):
        with pytest.raises(published.Missing):
            files("no-such-package")


# Python


def test_requests(daemon, python, python_packages, port):
    name = python(
        {
            "app.py": """
                import requests

                def raised(call):
                    try:
                        return call().status_code
                    except requests.exceptions.RequestException as error:
                        return type(error).__name__

                def handler(url, context):
                    with requests.Session() as session:
                        session.get(url + "/cookie").raise_for_status()
                        return {
                            "json": session.post(url + "/any", json={"a": [1, "ü"]}).json(),
                            "auth": requests.get(url, auth=("me", "secret"), params={"q": "a b"}).json(),
                            "moved": [[one.status_code for one in answer.history] + [answer.json()["path"]]
                                      for answer in (session.get(url + "/moved"),)][0],
                            "squeezed": session.get(url + "/squeezed").json()["path"],
                            "large": sum(map(len, session.get(url + "/large", stream=True).iter_content(4096))),
                            "missing": raised(lambda: session.get(url + "/missing")),
                            "raised": raised(lambda: session.get(url + "/missing").raise_for_status()),
                            "slow": raised(lambda: session.get(url + "/slow", timeout=0.2)),
                            "elsewhere": raised(lambda: session.get("http://elsewhere.example/")),
                        }
                """
        }
        | python_packages("requests"),
        environment={"LAMINA_OUTBOUND_HOSTS": f"127.0.0.1:{port}"},
    )
    answer = daemon.invoke(name, f"http://127.0.0.1:{port}").ok()
    told = answer.pop("json")
    assert (told["method"], told["agent"], told["cookie"]) == ("POST", "python-requests", "kept=1")
    assert json.loads(told["body"]) == {"a": [1, "ü"]}
    authorised = answer.pop("auth")
    assert (authorised["path"], authorised["authorization"]) == ("/?q=a+b", "Basic bWU6c2VjcmV0")
    assert answer.pop("slow") in ("ReadTimeout", "ConnectTimeout")
    assert answer == {
        "moved": [302, "/here?a=1"],
        "squeezed": "/squeezed",
        "large": 300_000,
        "missing": 404,
        "raised": "HTTPError",
        "elsewhere": "ConnectionError",
    }


def test_jinja2(daemon, python, python_packages):
    name = python(
        {
            "app.py": """
                import jinja2
                loader = jinja2.FileSystemLoader("templates")
                pages = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True)
                pages.filters["shout"] = lambda text: text.upper() + "!"

                def handler(event, context):
                    try:
                        pages.from_string("{% if %}")
                    except jinja2.TemplateSyntaxError as error:
                        wrong = [error.lineno, error.message]
                    return [pages.get_template("page.html").render(event), wrong]
                """,
            "templates/base.html": "<h1>{% block title %}{% endblock %}</h1>\n{% block body %}{% endblock %}",
            "templates/page.html": """\
{% extends "base.html" %}
{% block title %}{{ title | shout }}{% endblock %}
{% block body %}{% for item in items | sort(attribute="price") %}
{{ loop.index }}. {{ item.name }}: {{ "%.2f" | format(item.price) }}
{% else %}
nothing
{% endfor %}{% endblock %}
""",
        }
        | python_packages("jinja2")
    )
    items = [{"name": "b", "price": 2}, {"name": "<a>", "price": 1.5}]
    page, wrong = daemon.invoke(name, {"title": "list & more", "items": items}).ok()
    assert page == "<h1>LIST &amp; MORE!</h1>\n1. &lt;a&gt;: 1.50\n2. b: 2.00\n"
    assert wrong == [1, "Expected an expression, got 'end of statement block'"]


def test_pyyaml(daemon, python, python_packages):
    name = python(
        {
            "app.py": """
                import datetime, yaml

                def handler(text, context):
                    documents = list(yaml.safe_load_all(text))
                    try:
                        yaml.safe_load("a: [1")
                    except yaml.YAMLError as error:
                        wrong = [type(error).__name__, error.problem_mark.line, error.problem_mark.column]
                    assert documents[1]["when"] == datetime.date(2026, 2, 28)
                    assert yaml.safe_load(yaml.safe_dump(documents)) == documents
                    return [documents[0], yaml.safe_dump(documents[1], sort_keys=True), wrong, yaml.__with_libyaml__]
                """
        }
        | python_packages("PyYAML")
    )
    text = """\
base: &base {retries: 3, wait: 1.5}
job:
  <<: *base
  wait: 2
  script: |
    one
    two
---
when: 2026-02-28
names: [ünï, null, yes, 0x1f]
"""
    first, dumped, wrong, compiled = daemon.invoke(name, text).ok()
    assert first == {
        "base": {"retries": 3, "wait": 1.5},
        "job": {"retries": 3, "wait": 2, "script": "one\ntwo\n"},
    }
    assert dumped == 'names:\n- "\\xFCn\\xEF"\n- null\n- true\n- 31\nwhen: 2026-02-28\n'
    assert (wrong, compiled) == (["ParserError", 0, 5], False)


def test_dateutil(daemon, python, python_packages):
    name = python(
        {
            "app.py": """
                from datetime import datetime
                from dateutil import easter, parser, relativedelta, rrule, tz

                def handler(event, context):
                    berlin = tz.gettz("Europe/Berlin")
                    summer = datetime(2026, 3, 29, 3, 30, tzinfo=berlin)
                    rule = rrule.rrulestr("FREQ=MONTHLY;BYDAY=-1FR;COUNT=3", dtstart=datetime(2026, 1, 1))
                    return [
                        parser.parse("3rd of March 2026, 5:07 pm").isoformat(),
                        (datetime(2026, 1, 31) + relativedelta.relativedelta(months=1)).isoformat(),
                        [str(one.date()) for one in rule],
                        [summer.isoformat(), tz.datetime_exists(datetime(2026, 3, 29, 2, 30), berlin)],
                        str(easter.easter(2026)),
                        datetime(2026, 7, 1, tzinfo=tz.tzlocal()).tzname(),
                    ]
                """
        }
        | python_packages("python-dateutil"),
        environment={"TZ": "Asia/Tokyo"},
    )
    assert daemon.invoke(name).ok() == [
        "2026-03-03T17:07:00",
        "2026-02-28T00:00:00",
        ["2026-01-30", "2026-02-27", "2026-03-27"],
        ["2026-03-29T03:30:00+02:00", False],
        "2026-04-05",
        "JST",
    ]


# JavaScript


def test_lodash(daemon, javascript, node_packages):
    source = """
        const _ = require('lodash');
        exports.handler = async (people) => ({
            grouped: _(people).filter('adult').groupBy('town').mapValues((some) => _.map(some, 'name')).value(),
            ordered: _.map(_.orderBy(people, ['town', 'name'], ['desc', 'asc']), 'name'),
            words: [_.camelCase('is not there'), _.kebabCase('fooBar'), _.template('Hi <%- name %>!')({ name: '<b>' })],
            merged: _.merge({ a: [{ b: 1 }] }, { a: [{ c: 2 }] }),
            copied: _.isEqual(_.cloneDeep(people), people),
            chunks: _.chunk([1, 2, 3], 2),
        });
        """
    name = javascript({"index.js": source} | node_packages("lodash"))
    people = [{"name": n, "town": t, "adult": a} for n, t, a in (("C", "x", True), ("A", "y", False), ("B", "x", True))]
    assert daemon.invoke(name, people).ok() == {
        "grouped": {"x": ["C", "B"]},
        "ordered": ["A", "B", "C"],
        "words": ["isNotThere", "foo-bar", "Hi &lt;b&gt;!"],
        "merged": {"a": [{"b": 1, "c": 2}]},
        "copied": True,
        "chunks": [[1, 2], [3]],
    }


def test_dayjs(daemon, javascript, node_packages):
    source = """
        import dayjs from 'dayjs';
        import 'dayjs/locale/de.js';
        import duration from 'dayjs/plugin/duration.js';
        import relativeTime from 'dayjs/plugin/relativeTime.js';
        import utc from 'dayjs/plugin/utc.js';
        for (const plugin of [duration, relativeTime, utc]) dayjs.extend(plugin);
        export const handler = async (day) => [
            dayjs.utc(day).add(1, 'month').format('YYYY-MM-DD ddd'),
            dayjs.utc(day).locale('de').format('D. MMMM'),
            dayjs.utc(day).utcOffset(120).format(),
            dayjs.utc('2027-01-01').diff(day, 'day'),
            dayjs.utc(day).from('2026-02-03'),
            dayjs.duration(100, 'minutes').humanize(),
            dayjs('not a date').isValid(),
        ];
        """
    name = javascript({"index.mjs": source} | node_packages("dayjs"))
    assert daemon.invoke(name, "2026-01-31").ok() == [
        "2026-02-28 Sat",
        "31. Januar",
        "2026-01-31T02:00:00+02:00",
        335,
        "3 days ago",
        "2 hours",
        False,
    ]


def test_uuid(daemon, javascript, node_packages):
    source = """
        import { parse, stringify, v1, v4, v5, v7, validate, version } from 'uuid';
        export const handler = async () => {
            const some = [v1(), v4(), v5('www.example.com', v5.DNS), v7()];
            const random = new Set(Array.from({ length: 100 }, () => v4()));
            const same = stringify(parse(some[1])) === some[1];
            return [some.map(version), some.every(validate), some[2], same, random.size];
        };
        """
    name = javascript({"index.mjs": source} | node_packages("uuid"))
    # The name's, after RFC 4122, as Python's uuid.uuid5 has it too.
    named = "2ed6657d-e927-568b-95e1-2665a8aea6a2"
    assert daemon.invoke(name).ok() == [[1, 4, 5, 7], True, named, True, 100]


def test_zod(daemon, javascript, node_packages):
    source = """
        import { z } from 'zod';
        const Order = z.object({
            id: z.uuid(),
            mail: z.email().transform((text) => text.toLowerCase()),
            lines: z.array(z.object({ sku: z.string().min(3), count: z.coerce.number().int().positive() })).nonempty(),
            ship: z.discriminatedUnion('by', [
                z.object({ by: z.literal('post'), street: z.string() }),
                z.object({ by: z.literal('pick-up') }),
            ]),
        }).refine((order) => order.lines.length < 3, { error: 'too many lines', path: ['lines'] });
        export const handler = async (event) => {
            const result = Order.safeParse(event);
            if (result.success) return result.data;
            return result.error.issues.map((issue) => [issue.path.join('.'), issue.code]);
        };
        """
    name = javascript({"index.mjs": source} | node_packages("zod"))
    order = {
        "id": "2ed6657d-e927-468b-95e1-2665a8aea6a2",
        "mail": "A@Example.com",
        "lines": [{"sku": "abc", "count": "2"}],
        "ship": {"by": "pick-up"},
    }
    right = order | {"mail": "a@example.com", "lines": [{"sku": "abc", "count": 2}]}
    assert daemon.invoke(name, order).ok() == right
    wrong = {"id": "1", "mail": "no", "lines": [{"sku": "ab", "count": 0.5}], "ship": {"by": "air"}}
    assert daemon.invoke(name, wrong).ok() == [
        ["id", "invalid_format"],
        ["mail", "invalid_format"],
        ["lines.0.sku", "too_small"],
        ["lines.0.count", "invalid_type"],
        ["ship.by", "invalid_union"],
    ]
    assert daemon.invoke(name, order | {"lines": order["lines"] * 3}).ok() == [["lines", "custom"]]


def test_ajv(daemon, javascript, node_packages):
    source = """
        const Ajv = require('ajv');
        const ajv = new Ajv({ allErrors: true, useDefaults: true, coerceTypes: true });
        ajv.addFormat('day', /^\\d{4}-\\d{2}-\\d{2}$/);
        const validate = ajv.compile({
            $defs: { money: { type: 'object', required: ['amount'], properties: {
                amount: { type: 'number', minimum: 0 }, unit: { enum: ['EUR', 'USD'], default: 'EUR' } } } },
            type: 'object',
            required: ['day', 'price'],
            additionalProperties: false,
            properties: { day: { type: 'string', format: 'day' }, price: { $ref: '#/$defs/money' } },
        });
        exports.handler = async (event) => {
            if (validate(event)) return event;
            return validate.errors.map((error) => error.instancePath + ' ' + error.message);
        };
        """
    name = javascript({"index.js": source} | node_packages("ajv"))
    right = daemon.invoke(name, {"day": "2026-02-28", "price": {"amount": "1.5"}}).ok()
    assert right == {"day": "2026-02-28", "price": {"amount": 1.5, "unit": "EUR"}}
    assert sorted(daemon.invoke(name, {"day": "x", "price": {"amount": -1, "unit": "GBP"}, "more": 1}).ok()) == [
        " must NOT have additional properties",
        '/day must match format "day"',
        "/price/amount must be >= 0",
        "/price/unit must be equal to one of the allowed values",
    ]


def test_express_behind_a_url(daemon, lam, javascript, node_packages):
    source = """
        import express from 'express';
        import serverless from 'serverless-http';
        const app = express();
        app.use(express.json(), express.urlencoded({ extended: false }));
        app.use((request, response, next) => { response.set('x-seen', request.method); next(); });
        app.get('/items/:id', (request, response) => response.json({ id: request.params.id, query: request.query }));
        app.post('/items', (request, response) => response.status(201).location('/items/7').send(request.body));
        app.get('/cookies', (request, response) => {
            response.cookie('a', '1').cookie('b', '2').send(request.headers.cookie);
        });
        app.get('/bytes', (request, response) => response.type('png').send(Buffer.from([0x89, 0x50, 0xff, 0])));
        app.get('/moved', (request, response) => response.redirect('/items/1'));
        app.get('/fails', async () => { throw new Error('in a route'); });
        app.use((error, request, response, next) => response.status(500).json({ wrong: error.message }));
        export const handler = serverless(app, { binary: ['image/*'] });
        """
    name = javascript({"index.mjs": source} | node_packages("express", "serverless-http"))
    url = lam.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    public(lam, name)
    host = url.removeprefix("http://").rstrip("/")

    def ask(path, method="GET", body=None, **headers):
        return clients.request(daemon.http, method, path, body, {"Host": host} | headers)

    answer = ask("/items/a%20b?x=1&x=2")
    assert (answer.status, json.loads(answer.body)) == (200, {"id": "a b", "query": {"x": ["1", "2"]}})
    assert answer.headers["x-seen"] == "GET" and answer.headers["x-powered-by"] == "Express"
    answer = ask("/items", "POST", '{"a": "ü"}'.encode(), **{"Content-Type": "application/json"})
    assert (answer.status, json.loads(answer.body), answer.headers["location"]) == (201, {"a": "ü"}, "/items/7")
    answer = ask("/items", "POST", "a=1&b=x+y", **{"Content-Type": "application/x-www-form-urlencoded"})
    assert json.loads(answer.body) == {"a": "1", "b": "x y"}
    answer = ask("/cookies", Cookie="c=3; d=4")
    assert answer.body == b"c=3; d=4"
    assert [one.partition(";")[0] for one in answer.headers.get_all("set-cookie")] == ["a=1", "b=2"]
    answer = ask("/bytes")
    assert (answer.headers["content-type"], answer.body) == ("image/png", b"\x89P\xff\0")
    answer = ask("/moved")
    assert (answer.status, answer.headers["location"]) == (302, "/items/1")
    answer = ask("/fails")
    assert (answer.status, json.loads(answer.body)) == (500, {"wrong": "in a route"})
    assert ask("/nowhere").status == 404
