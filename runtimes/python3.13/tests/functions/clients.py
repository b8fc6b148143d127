"""Outbound HTTP, by each of the usual clients. The event names the client and the server."""

import asyncio
import http.client
import json
import urllib.error
import urllib.request


def with_http_client(url):
    """Two requests over one connection."""
    host = url.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=5)
    statuses = []
    for method, body in (("GET", None), ("POST", b"data")):
        connection.request(method, "/anything?x=1", body=body, headers={"X-Test": "1"})
        response = connection.getresponse()
        statuses.append([response.status, json.loads(response.read())])
    return statuses


def with_urllib(url):
    """GET, POST, an error status, a redirect."""
    with urllib.request.urlopen(url + "/anything", timeout=5) as response:
        first = json.load(response)
    request = urllib.request.Request(url + "/anything", data=b'{"a": 1}', headers={"Content-Type": "application/json"}, method="PUT")
    with urllib.request.urlopen(request) as response:
        second = json.load(response)
    try:
        urllib.request.urlopen(url + "/status/404")
        status = None
    except urllib.error.HTTPError as error:
        status = error.code
    with urllib.request.urlopen(url + "/redirect") as response:
        third = json.load(response)
    return [first, second, status, third]


def with_requests(url):
    """A session: JSON, gzip, chunks, cookies, redirects, HEAD, time-outs."""
    import requests

    with requests.Session() as session:
        result = {
            "json": session.post(url + "/anything", json={"a": [1, 2]}, timeout=5).json(),
            "redirect": session.get(url + "/redirect").url.rpartition("/")[2],
            "chunks": len(session.get(url + "/chunks").content),
            "gzip": session.get(url + "/gzip").text,
            "head": session.head(url + "/anything").status_code,
            "status": session.get(url + "/status/503").status_code,
            "stream": sum(len(piece) for piece in session.get(url + "/big", stream=True).iter_content(10000)),
            "upload": session.post(url + "/anything", data=iter([b"abc", b"def"])).json()["body"],
        }
        try:
            session.get(url + "/slow", timeout=0.3)
            result["timeout"] = None
        except requests.exceptions.Timeout as error:
            result["timeout"] = type(error).__name__
        try:
            session.get("http://127.0.0.1:9/")
            result["refused"] = None
        except requests.exceptions.ConnectionError as error:
            result["refused"] = type(error).__name__
        return result


def with_urllib3(url):
    """A pool, with retries."""
    import urllib3

    pool = urllib3.PoolManager(retries=urllib3.Retry(2, status_forcelist=[503], raise_on_status=False))
    return [pool.request("GET", url + "/anything").status, pool.request("GET", url + "/status/503").status]


def with_boto3(url):
    """A table of operations through botocore."""
    import boto3

    client = boto3.client(
        "sqs", endpoint_url=url, region_name="eu-west-1", aws_access_key_id="A", aws_secret_access_key="S"
    )
    s3 = boto3.client("s3", endpoint_url=url, region_name="eu-west-1", aws_access_key_id="A", aws_secret_access_key="S")
    s3.put_object(Bucket="bucket", Key="key", Body=b"x" * 100000)
    return client.send_message(QueueUrl=url + "/123456789012/q", MessageBody="hello")["MessageId"]


def with_httpx(url):
    """Its synchronous and its asynchronous client."""
    import httpx

    async def several():
        async with httpx.AsyncClient() as client:
            return [response.status_code for response in await asyncio.gather(*(client.get(url + "/anything") for _ in range(3)))]

    return [httpx.get(url + "/anything").json()["method"], asyncio.run(several())]


def with_aiohttp(url):
    """Several requests at once."""
    import aiohttp

    async def one(session, path):
        async with session.get(url + path) as response:
            return response.status

    async def several():
        async with aiohttp.ClientSession() as session:
            return await asyncio.gather(one(session, "/anything"), one(session, "/status/404"), one(session, "/chunks"))

    return asyncio.run(several())


def lambda_handler(event, context):
    return globals()["with_" + event["client"]](event["url"])
