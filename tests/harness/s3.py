"""Starts moto's S3 with one bucket and one access key at a free port, and prints the port.

moto takes any signature, so each request is judged here first by botocore, which is AWS's own: the signature over the
request as it came, the digest of the body, and how long a signed URL lives.
"""
import hashlib
import io
import sys
import time
from calendar import timegm
from urllib.parse import parse_qs, urlsplit

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

access_key, secret, bucket = sys.argv[1:]
credentials = Credentials(access_key, secret)


def header(environ, name):
    key = name.upper().replace("-", "_")
    return environ.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}", "")


def signature(auth, environ, url, names, timestamp):
    headers = {name: header(environ, name) for name in names}
    request = AWSRequest(method=environ["REQUEST_METHOD"], url=url, headers=headers)
    request.context["timestamp"] = timestamp
    return auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)


def from_header(environ, url, body):
    fields = dict(part.strip().split("=", 1) for part in header(environ, "authorization").split(" ", 1)[1].split(","))
    key, _, region, service, _ = fields["Credential"].split("/")
    names = fields["SignedHeaders"].split(";")
    if key != access_key or service != "s3" or not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names):
        return False
    if hashlib.sha256(body).hexdigest() != header(environ, "x-amz-content-sha256"):
        return False
    auth = S3SigV4Auth(credentials, "s3", region)
    return signature(auth, environ, url, names, header(environ, "x-amz-date")) == fields["Signature"]


def from_query(environ, url, query):
    said = {name: values[0] for name, values in parse_qs(query).items()}
    key, _, region, _, _ = said["X-Amz-Credential"].split("/")
    ends = timegm(time.strptime(said["X-Amz-Date"], "%Y%m%dT%H%M%SZ")) + int(said["X-Amz-Expires"])
    if key != access_key or time.time() > ends:
        return False
    unsigned = url.replace("&X-Amz-Signature=" + said["X-Amz-Signature"], "")
    auth = S3SigV4QueryAuth(credentials, "s3", region)
    return signature(auth, environ, unsigned, ["host"], said["X-Amz-Date"]) == said["X-Amz-Signature"]


def judge(environ, body):
    url = f"http://{header(environ, 'host')}{environ['RAW_URI']}"
    query = urlsplit(url).query
    try:
        if "X-Amz-Signature" in query:
            return from_query(environ, url, query)
        return from_header(environ, url, body)
    except (IndexError, KeyError, ValueError):
        return False


moto = DomainDispatcherApplication(create_backend_app)


def application(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    if environ.get("HTTP_AUTHORIZATION") != "of-the-harness" and not judge(environ, body):
        start_response("403 Forbidden", [("content-type", "application/xml")])
        return [b"<Error><Code>SignatureDoesNotMatch</Code><Message>KEYRQ</Message></Error>"]
    # moto chooses the service by the host.
    environ["HTTP_HOST"] = "s3.amazonaws.com"
    environ["HTTP_AUTHORIZATION"] = f"AWS4-HMAC-SHA256 Credential={access_key}/20260101/us-east-1/s3/aws4_request"
    return moto(environ, start_response)


class Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


make_bucket = {
    "REQUEST_METHOD": "PUT", "PATH_INFO": f"/{bucket}", "RAW_URI": f"/{bucket}", "SCRIPT_NAME": "", "QUERY_STRING": "",
    "SERVER_NAME": "localhost", "SERVER_PORT": "80", "HTTP_AUTHORIZATION": "of-the-harness", "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr,
}
b"".join(application(make_bucket, lambda status, _: None if status.startswith("200") else sys.exit(status)))
server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Silent)
print(server.port, flush=True)
server.serve_forever()
