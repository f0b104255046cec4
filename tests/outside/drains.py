"""Stops a real `airlock serve` with SIGTERM under load, again and again: no call in flight may fail.

usage: drains.py PATH_OF_AIRLOCK [--times N] [--json]

The load is grpcio with `wait_for_ready`: it connects again when it is told to go elsewhere (GOAWAY) or is refused, and sends
a call again only when the server says that it never looked at it. Every other error of a call counts as a failed call.
"""

import argparse
import collections
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import attackers
import client

CLIENTS, DRAIN_MAX_S = 8, 9
FUNCTION = """
export default function handle(input: { ms: number }) {
  const end = Date.now() + input.ms;
  while (Date.now() < end);
  return { ms: input.ms };
}
"""
OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 100),
]


def mint(state, *more):
    return client.airlock(
        "token", "mint", "--key", str(state / "signing-key.json"), "--issuer", "https://demo.airlock.example",
        "--tenant", "demo", "--app", "drains", "--subject", "python", *more,
    ).stdout.strip()


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def start(state, ports):
    data, control = (f"127.0.0.1:{port}" for port in ports)
    environment = os.environ | {"AIRLOCK__SERVER__DATA": data, "AIRLOCK__SERVER__CONTROL": control}
    server = subprocess.Popen(
        [client.AIRLOCK, "serve", "--config", str(state / "airlock.toml")], stderr=subprocess.PIPE, text=True,
        env=environment,
    )
    for line in server.stderr:
        if "control on" in line:
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return server
    raise SystemExit(f"the server did not start: exit code {server.wait()}")


def deploy(folder, state, control):
    project = folder / "burn"
    client.airlock("new", str(project), check=True)
    next(project.rglob("main.ts")).write_text(FUNCTION)
    (project / "function.toml").write_text('name = "burn"\nlanguage = "typescript"\n')
    token = mint(state, "--function", "burn", "--scope", "function:deploy")
    done = client.airlock("deploy", str(project), "--server", f"http://{control}", "--token", token)
    if done.returncode:
        raise SystemExit(f"cannot deploy: {done.stderr}")


class Load:
    """Clients that call one after the other and count what came of it."""

    def __init__(self, state, address):
        self.state, self.address = state, address
        self.ended, self.in_flight = threading.Event(), 0
        self.results, self.lock = collections.Counter(), threading.Lock()
        self.threads = [threading.Thread(target=self.call, args=(number,)) for number in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def call(self, number):
        channel = grpc.insecure_channel(self.address, options=OPTIONS)
        invoke = channel.unary_unary(attackers.INVOKE)
        made, metadata = 0, []
        while not self.ended.is_set():
            if time.monotonic() - made > 60 or not metadata:
                metadata = [("authorization", f"Bearer {mint(self.state, '--function', 'burn')}")]
                made = time.monotonic()
            payload = json.dumps({"ms": 20 + 40 * number}).encode()
            with self.lock:
                self.in_flight += 1
            try:
                invoke(attackers.message(b"burn", payload)[5:], metadata=metadata, timeout=60, wait_for_ready=True)
                result = "ok"
            except grpc.RpcError as error:
                result = f"{error.code().name}: {error.details()}"
            with self.lock:
                self.in_flight -= 1
                self.results[result] += 1

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


def drain(server, address):
    """SIGTERM; what health says on a connection of before, how long it took, how it ended."""
    channel = grpc.insecure_channel(address, options=OPTIONS)
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=30)
    seen = [health_pb2.HealthCheckResponse.ServingStatus.Name(next(watch).status)]
    began = time.monotonic()
    server.send_signal(signal.SIGTERM)
    try:
        for answer in watch:
            seen.append(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
    except grpc.RpcError as error:
        seen.append(error.code().name)
    code = server.wait(timeout=60)
    channel.close()
    return {"health": seen, "seconds": round(time.monotonic() - began, 3), "exit_code": code}


def wait_for(holds, load):
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > 60:
            raise SystemExit(f"the load gets nowhere: {dict(load.results)}, {load.in_flight} in flight")
        time.sleep(0.01)


def session(times):
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        made = client.airlock("demo", "--state", str(state), "--json")
        if made.returncode:
            raise SystemExit(f"the demo did not run: {made.stderr[-2000:]}")
        ports = free_port(), free_port()
        address = f"127.0.0.1:{ports[0]}"
        server = start(state, ports)
        drains, load = [], None
        try:
            deploy(Path(folder), state, f"127.0.0.1:{ports[1]}")
            load = Load(state, address)
            for number in range(times):
                before = load.results["ok"]
                # Until the load has found this server, so that there is something in flight.
                wait_for(lambda: load.results["ok"] >= before + CLIENTS, load)
                time.sleep(0.037 * (number % 7))
                in_flight = load.in_flight
                drains.append({"in_flight": in_flight, **drain(server, address)})
                server = start(state, ports)
        finally:
            if load:
                load.stop()
            server.terminate()
            server.wait(timeout=60)
        verify = json.loads(client.airlock("audit", "verify", "--state", str(state / "state"), "--json").stdout)
    failed = {result: count for result, count in load.results.items() if result != "ok"}
    good = [row for row in drains if row["exit_code"] == 0 and row["seconds"] < DRAIN_MAX_S and row["in_flight"]
            and row["health"][:2] == ["SERVING", "NOT_SERVING"]]
    return {
        "drains": len(drains), "good_drains": len(good), "calls": load.results["ok"], "failed_calls": failed,
        "longest_drain_s": max(row["seconds"] for row in drains), "trail": verify,
        "odd_drains": [row for row in drains if row not in good][:5],
        "ok": not failed and len(good) == times and verify["integrity"] and verify["calls"]["complete"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("airlock", help="path of the airlock binary")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    client.AIRLOCK = options.airlock
    report = session(options.times)
    if options.json:
        print(json.dumps(report))
    else:
        print(f"{report['good_drains']} of {report['drains']} drains as they should be, the longest {report['longest_drain_s']} s; "
              f"{report['calls']} calls answered, failed: {report['failed_calls'] or 'none'}")
        for row in report["odd_drains"]:
            print(f"odd: {row}")
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
