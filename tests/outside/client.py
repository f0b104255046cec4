"""Calls a running Airlock with clients that are not ours: grpcio by reflection, and plain HTTP.

usage: client.py PATH_OF_AIRLOCK
"""

import json
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

INVOKE = "/airlock.v1.InvocationService/Invoke"
RESULTS = []


def check(name, condition, detail=""):
    RESULTS.append(bool(condition))
    print(f"{'ok  ' if condition else 'FAIL'} {name} {'' if condition else detail}")


def airlock(*arguments, **options):
    return subprocess.run([AIRLOCK, *arguments], capture_output=True, text=True, timeout=300, **options)


def demo(state):
    ended = airlock("demo", "--state", str(state), "--json")
    check("demo ends well", ended.returncode == 0, ended.stderr[-2000:])
    document = json.loads(ended.stdout)
    check("demo result", document["result"] == {"count": 3, "total": 124.75, "tier": "gold"}, document["result"])
    check("demo usage", all(document["usage"][key] > 0 for key in ("fuel", "memory_bytes", "wall_us", "host_calls")))
    kinds = [record["kind"] for record in document["audit"]]
    check("demo audit", kinds.count("host_call_intent") == 2 and kinds[-1] == "invocation_finished", kinds)
    reasons = {refusal["case"]: refusal["reason"] for refusal in document["refusals"]}
    wanted = {
        "expired_token": {"token_invalid"},
        "token_for_another_function": {"not_granted"},
        "token_without_scope": {"not_granted"},
        "memory": {"memory_exhausted"},
        "endless_loop": {"time_exhausted", "fuel_exhausted"},
        "write_without_permission": {"not_granted"},
        "drop_table": {"statement_refused"},
        "origin_not_allowed": {"egress_denied"},
        "address_not_public": {"egress_denied"},
    }
    check("demo refusals", reasons.keys() == wanted.keys() and all(reasons[c] in wanted[c] for c in wanted), reasons)
    check("demo explains", all(refusal["message"] for refusal in document["refusals"]))


def serve(state):
    server = subprocess.Popen([AIRLOCK, "serve", "--config", str(state / "airlock.toml")], stderr=subprocess.PIPE, text=True)
    addresses = {}
    for line in server.stderr:
        found = re.search(r"(calls|control) on http://(\S+)", line)
        if found:
            addresses[found[1]] = found[2]
        if len(addresses) == 2:
            return server, addresses
    raise SystemExit("the server did not start")


def mint(state, *more):
    return airlock(
        "token", "mint", "--key", str(state / "signing-key.json"), "--issuer", "https://demo.airlock.example",
        "--tenant", "demo", "--app", "outside", "--subject", "python", "--function", "mischief", *more,
    ).stdout.strip()


def refused(call, code):
    try:
        call()
    except grpc.RpcError as error:
        return error.code() == code
    return False


def over_grpc(address, token):
    channel = grpc.insecure_channel(address)
    health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    check("health needs no token", health.status == health_pb2.HealthCheckResponse.SERVING)

    def reflect(channel):
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        service = pool.FindServiceByName("airlock.v1.InvocationService")
        return service.methods_by_name["Invoke"]

    def denied():
        ProtoReflectionDescriptorDatabase(channel).get_services()

    check("reflection needs a token", refused(denied, grpc.StatusCode.UNAUTHENTICATED))
    method = reflect(grpc.intercept_channel(channel, WithToken(token)))
    request_type = message_factory.GetMessageClass(method.input_type)
    response_type = message_factory.GetMessageClass(method.output_type)
    call = channel.unary_unary(INVOKE, request_type.SerializeToString, response_type.FromString)
    request = request_type(function="mischief", environment="dev", payload=b'{"attempt":"none"}')
    response = call(request, metadata=[("authorization", f"Bearer {token}")])
    output = json.loads(response.output)
    check("invoke by reflection", "drop" in output["attempts"], json_format.MessageToJson(response))
    check("usage over gRPC", response.usage.fuel > 0)
    check("no token is refused", refused(lambda: call(request), grpc.StatusCode.UNAUTHENTICATED))
    spin = request_type(function="mischief", environment="dev", payload=b'{"attempt":"loop"}')
    metadata = [("authorization", f"Bearer {token}")]
    check("a deadline is kept", refused(lambda: call(spin, metadata=metadata, timeout=0.3), grpc.StatusCode.DEADLINE_EXCEEDED))


class WithToken(grpc.StreamStreamClientInterceptor):
    def __init__(self, token):
        self.token = token

    def intercept_stream_stream(self, continuation, details, requests):
        metadata = list(details.metadata or []) + [("authorization", f"Bearer {self.token}")]
        return continuation(details._replace(metadata=metadata), requests)


def post(address, body, token):
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"http://{address}{INVOKE}", data=body.encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def over_http(address, token):
    body = json.dumps({"function": "mischief", "environment": "dev", "payload": {"attempt": "none"}})
    status, answer = post(address, body, token)
    check("JSON over HTTP", status == 200 and "drop" in answer["output"]["attempts"], answer)
    status, answer = post(address, body, None)
    check("HTTP without token", status == 401 and answer["reason"] == "token_invalid", answer)
    status, answer = post(address, '{"function":"mischief","environment":"dev","colour":1}', token)
    check("HTTP with an unknown field", status == 400 and "colour" in answer["message"], answer)


def inspect(state, token):
    ended = airlock("token", "inspect", "--jwks", str(state / "keys.json"), "--json", input=token + "\n")
    verdict = json.loads(ended.stdout)
    check("token inspect", verdict["signature"]["valid"] and verdict["claims"]["valid"], verdict)
    ended = airlock("token", "inspect", "--jwks", str(state / "keys.json"), "--json", input=token[:-4] + "AAAA\n")
    verdict = json.loads(ended.stdout)
    check("token inspect, forged", not verdict["signature"]["valid"] and verdict["signature"]["reason"], verdict)


def main():
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        demo(state)
        server, addresses = serve(state)
        try:
            token = mint(state)
            over_grpc(addresses["calls"], token)
            over_http(addresses["calls"], token)
            inspect(state, token)
        finally:
            server.terminate()
            check("the server drains and ends", server.wait(timeout=30) == 0)
        verify = airlock("audit", "verify", "--state", str(state / "state"), "--json")
        report = json.loads(verify.stdout)
        check("the trail verifies", verify.returncode == 0 and report["integrity"], verify.stdout)
    print(f"{sum(RESULTS)} passed, {len(RESULTS) - sum(RESULTS)} failed")
    return 0 if all(RESULTS) else 1


if __name__ == "__main__":
    AIRLOCK = sys.argv[1]
    sys.exit(main())
