"""The standard library as this build has it, and what stands in for what a sandbox lacks."""

import pytest

PRESENT = (
    "sqlite3 bz2 lzma zlib gzip zipfile tarfile decimal _decimal ctypes.wintypes hashlib hmac ssl socket asyncio zoneinfo xml.etree.ElementTree"
    " xml.dom.minidom csv email.message html.parser http.server urllib.request unittest doctest tomllib statistics pickle shelve"
    " importlib.resources logging.config multiprocessing.dummy snapshot_restore_py compileall pdb profile timeit turtle"
)


def run(environment, source, **more):
    """What `def h(e, c)` of `source` returns."""
    env = environment(m=source)
    loaded = env.load("m.h", **more)
    assert loaded[0] == "success", loaded
    tag, body = env.invoke()
    assert tag == "success", (body, env.records)
    return body


def test_compression_and_databases(environment):
    source = """
import bz2, gzip, lzma, os, sqlite3, tarfile, zipfile, zlib, io
def h(e, c):
    data = b"squeeze " * 10000
    for module in (bz2, gzip, lzma, zlib):
        assert module.decompress(module.compress(data)) == data
    with zipfile.ZipFile("/tmp/a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", data)
    with zipfile.ZipFile("/tmp/a.zip") as archive:
        archive.extractall("/tmp/out")
    assert open("/tmp/out/a", "rb").read() == data
    with tarfile.open("/tmp/a.tar.xz", "w:xz") as archive:
        archive.add("/tmp/out/a", "b")
    with sqlite3.connect("/tmp/db") as db:
        db.execute("create table t (a integer primary key, b text)")
        db.executemany("insert into t (b) values (?)", [(str(n),) for n in range(1000)])
    db.close()
    db = sqlite3.connect("/tmp/db")
    db.execute("create virtual table f using fts5(words)")
    return [db.execute("select count(*), max(a) from t").fetchone(), sqlite3.sqlite_version, sorted(os.listdir("/tmp"))]
"""
    assert run(environment, source) == [[1000, 1000], "3.46.1", ["a.tar.xz", "a.zip", "db", "out"]]


def test_modules(environment):
    source = """
import importlib
def h(e, c):
    failed = {}
    for name in NAMES.split():
        try:
            importlib.import_module(name)
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"
    return failed
"""
    failed = run(environment, f"NAMES = {PRESENT!r}\n{source}")
    assert set(failed) <= {"ctypes.wintypes", "multiprocessing.dummy", "turtle"}, failed


def test_digests(environment):
    source = """
import hashlib
def h(e, c):
    return {name: len(hashlib.new(name, b"x").hexdigest(*([8] if name.startswith("shake") else []))) for name in hashlib.algorithms_guaranteed}
"""
    assert len(run(environment, source)) == 14


def test_asyncio(environment):
    source = """
import asyncio, time
async def one(n):
    await asyncio.sleep(0.05)
    return n
async def main():
    started = time.monotonic()
    got = await asyncio.gather(*(one(n) for n in range(20)))
    took = time.monotonic() - started
    loop = asyncio.get_running_loop()
    in_executor = await loop.run_in_executor(None, lambda: 5)
    in_thread = await asyncio.to_thread(lambda: 6)
    try:
        await asyncio.wait_for(asyncio.sleep(5), 0.02)
    except TimeoutError:
        in_thread += 1
    queue = asyncio.Queue()
    async with asyncio.TaskGroup() as group:
        group.create_task(queue.put(8))
        last = group.create_task(queue.get())
    return [got == list(range(20)), took < 0.5, in_executor, in_thread, last.result()]
def h(e, c):
    return asyncio.run(main())
"""
    assert run(environment, source) == [True, True, 5, 7, 8]


def test_threads(environment):
    source = """
import threading, queue, time
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from multiprocessing.pool import ThreadPool
def h(e, c):
    done = []
    thread = threading.Thread(target=lambda: done.append(threading.current_thread().name), name="worker")
    thread.start(); thread.join()
    daemon = threading.Thread(target=done.append, args=("daemon",), daemon=True)
    daemon.start()
    before = list(done)
    daemon.join()
    timer = threading.Timer(5, done.append, ("never",))
    timer.start(); timer.cancel()
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(pow, 2, n) for n in range(4)]
        done.append(sum(future.result() for future in as_completed(futures)))
        done.append(list(pool.map(str, range(3))))
    failed = ThreadPoolExecutor().submit(lambda: 1 / 0)
    done.append(type(failed.exception()).__name__)
    started = time.monotonic()
    done.append(threading.Event().wait(0.1))
    done.append(time.monotonic() - started >= 0.09)
    try:
        queue.Queue().get(timeout=0.05)
    except queue.Empty:
        done.append("empty")
    return [before, done]
"""
    source = source.replace("from multiprocessing.pool import ThreadPool\n", "")
    expected = ["worker", "daemon", 15, ["0", "1", "2"], "ZeroDivisionError", False, True, "empty"]
    assert run(environment, source) == [["worker"], expected]


def test_what_is_absent_says_so(environment):
    source = """
import os, socket, ssl, subprocess, _thread
def attempt(f):
    try:
        return repr(f())
    except Exception as error:
        return f"{type(error).__name__}: {error}"
def h(e, c):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    raw = socket.create_connection(("db.example", 5432))
    return {
        "subprocess": attempt(lambda: subprocess.run(["ls"])),
        "fork": attempt(lambda: os.fork()),
        "system": attempt(lambda: os.system("ls")),
        "thread": attempt(lambda: _thread.start_new_thread(print, ())),
        "udp": attempt(lambda: udp.sendto(b"x", ("127.0.0.1", 2000))),
        "listen": attempt(lambda: socket.create_server(("", 8080))),
        "other": attempt(lambda: raw.sendall(b"PING\\r\\n\\r\\n")),
        "server": attempt(lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain("a")),
    }
"""
    said = run(environment, source)
    for name, words in {
        "subprocess": "processes",
        "thread": "can't start new thread",
        "udp": "only HTTP requests go out",
        "listen": "only HTTP requests go out",
        "other": "only HTTP/1.1 requests can leave the sandbox",
        "server": "the host does TLS",
    }.items():
        assert words in said[name], said
    assert "AttributeError" in said["fork"]


def test_packages(environment, packages):
    source = """
import jinja2, yaml, dateutil.parser, dateutil.tz
def h(e, c):
    page = jinja2.Template("{% for n in ns %}{{ n|upper }}{% endfor %}").render(ns=["a", "b"])
    return [page, yaml.safe_load("a: [1, 2]"), yaml.safe_dump({"b": 1}), dateutil.parser.parse("2024-01-02T03:04Z").isoformat()]
"""
    env = environment(layers=packages, m=source)
    assert env.load("m.h")[0] == "success", env.records
    assert env.invoke() == ("success", ["AB", {"a": [1, 2]}, "b: 1\n", "2024-01-02T03:04:00+00:00"])
