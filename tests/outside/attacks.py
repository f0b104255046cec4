"""Attacks a real `airlock serve` over loopback and measures what an honest client feels meanwhile.

usage: attacks.py PATH_OF_AIRLOCK [--only NAME]... [--seconds S] [--json] [--short]

For each attack an honest client (grpcio, a process of its own, several connections, a steady rate) measures its p99 before,
during and after. The bars: no error of the honest client, the server still serves and is the same process, its memory comes
back, and the p99 during the attack is at most twice that around it.

The attacker is niced, but it shares the machine with server and client: on few cores the ratio contains the processor time
that the attacker and the kernel's loopback take from both, whatever the server does. `--short` attacks for half a second each and
only looks that honest calls are answered within two seconds: so few samples say little about a p99.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attackers
import client

RATIO_MAX = 2.0
# In short mode: far beyond what a busy machine does to a p99, and below what a caller waits.
SHORT_P99_MAX_MS = 2_000.0
# Below this a p99 is a matter of the machine's scheduler; ratios are taken from here up.
P99_FLOOR_MS = 2.0
RSS_GROWTH_MAX_MIB = 128
RATE_HZ, CHANNELS, PATIENCE_S = 100, 4, 5.0
SUBJECT = ("--app", "attacks", "--subject", "python")


def mint(state, tenant):
    return client.airlock(
        "token", "mint", "--key", str(state / "signing-key.json"), "--issuer", "https://demo.airlock.example",
        "--tenant", tenant, *SUBJECT, "--function", "mischief",
    ).stdout.strip()


def honest(address, token):
    """Calls at a steady rate until standard input closes; one line `sent latency error` for each call."""
    import grpc

    request = attackers.message(b"mischief", b'{"attempt":"none"}')[5:]
    metadata = [("authorization", f"Bearer {token}")]
    own = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(address, options=own) for _ in range(CHANNELS)]
    calls = [channel.unary_unary(attackers.INVOKE) for channel in channels]

    def one(number):
        sent = time.monotonic()
        try:
            calls[number % CHANNELS](request, metadata=metadata, timeout=PATIENCE_S)
            error = "-"
        except grpc.RpcError as failed:
            error = failed.code().name
        line = f"{sent} {time.monotonic() - sent} {error}\n".encode()
        os.write(1, line)  # one write a line: many threads share the pipe

    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    with ThreadPoolExecutor(64) as pool:
        begin = time.monotonic()
        for number in range(1 << 30):
            time.sleep(max(0, begin + number / RATE_HZ - time.monotonic()))
            if ended.is_set():
                break
            pool.submit(one, number)


class Honest:
    """The honest client's process and what it felt."""

    def __init__(self, address, token):
        self.samples = []
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--honest", address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"ATTACKS_TOKEN": token},
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            sent, latency, error = line.split()
            self.samples.append((float(sent), float(latency) * 1000, error))

    def between(self, start, end):
        return [sample for sample in list(self.samples) if start <= sample[0] < end]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.reader.join(timeout=5)


def p99(samples):
    times = sorted(latency for _, latency, _ in samples)
    return times[min(len(times) - 1, int(len(times) * 0.99))] if times else float("nan")


class Memory:
    """Samples the server's resident memory."""

    def __init__(self, pid):
        self.pid, self.peak, self.ended = pid, 0.0, threading.Event()
        threading.Thread(target=self.watch, daemon=True).start()

    def now(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return float("nan")

    def watch(self):
        while not self.ended.wait(0.1):
            try:
                self.peak = max(self.peak, self.now())
            except OSError:
                return


def attack(name, address, token, seconds):
    """Runs one attack in a process of its own, with less right to the processor than those who are measured.

    Gives what it did and the span in which it did it: a Python process takes its time to begin.
    """
    host, port = address.rsplit(":", 1)
    process = subprocess.Popen(
        [sys.executable, __file__, "--attack", name, "--seconds", str(seconds), f"{host}:{port}"],
        stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.nice(10), env=os.environ | {"ATTACKS_TOKEN": token},
    )
    process.stdout.readline()
    begun = time.monotonic()
    told = process.stdout.readline()
    ended = time.monotonic()
    did = json.loads(told) if process.wait(timeout=60) == 0 else {"attacker_failed": process.returncode}
    return did, begun, ended


def judge(name, state, server, address, options, shared):
    """One attack with the honest client before, during and after."""
    watcher = shared or Honest(address, mint(state, "honest"))
    memory = Memory(server.pid)
    pause = 0.1 if shared else options.seconds / 2
    if not shared:
        time.sleep(1)
    token, start = mint(state, "mallory"), time.monotonic()
    time.sleep(pause)
    rss_before = memory.now()
    did, during, after = attack(name, address, token, options.seconds)
    time.sleep(pause)
    end, rss_after = time.monotonic(), settled(memory, rss_before)
    if not shared:
        watcher.stop()
    memory.ended.set()
    phases = [watcher.between(*span) for span in ((start, during), (during, after), (after, end))]
    return {
        "attack": name, "did": did, "alive": server.poll() is None, "phases": phases,
        "errors": sorted({error for phase in phases for _, _, error in phase if error != "-"}),
        "error_count": sum(error != "-" for phase in phases for _, _, error in phase),
        "rss_before_mib": round(rss_before), "rss_peak_mib": round(memory.peak), "rss_after_mib": round(rss_after),
    }


def settled(memory, before):
    """Memory after the attack: what closed connections held goes back within moments."""
    for _ in range(20):
        if memory.now() <= before + RSS_GROWTH_MAX_MIB / 2:
            break
        time.sleep(0.1)
    return memory.now()


def finish(results, short):
    """Ratios and verdicts. In short mode the calm before and after is that of the whole session."""
    calm = [sample for result in results for sample in result["phases"][0] + result["phases"][2]]
    for result in results:
        before, during, after = result.pop("phases")
        around = p99(calm) if short else statistics.median([p99(before), p99(after)])
        result |= {"p99_before_ms": p99(before), "p99_during_ms": p99(during), "p99_after_ms": p99(after)}
        result["calls_during"] = len(during)
        result["p99_ratio"] = p99(during) / max(around, P99_FLOOR_MS)
        result["ok"] = (
            result["alive"] and result["error_count"] == 0 and bool(during)
            and (p99(during) <= SHORT_P99_MAX_MS if short else result["p99_ratio"] <= RATIO_MAX)
            and result["rss_after_mib"] <= result["rss_before_mib"] + RSS_GROWTH_MAX_MIB
            and "attacker_failed" not in result["did"]
        )
    return results


def table(results):
    print(f"{'attack':26}{'before':>8}{'during':>8}{'after':>8}{'ratio':>7}{'errors':>7}{'rss MiB':>14}  what it did")
    for row in results:
        did = " ".join(f"{key}={value}" for key, value in row["did"].items() if key != "bytes_read")
        rss = f"{row['rss_before_mib']}/{row['rss_peak_mib']}/{row['rss_after_mib']}"
        print(
            f"{row['attack']:26}{row['p99_before_ms']:8.1f}{row['p99_during_ms']:8.1f}{row['p99_after_ms']:8.1f}"
            f"{row['p99_ratio']:7.2f}{row['error_count']:7}{rss:>14}  {'ok  ' if row['ok'] else 'FAIL'} {did} "
            f"{' '.join(row['errors'])}"
        )


def session(options):
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        made = client.airlock("demo", "--state", str(state), "--json")
        if made.returncode:
            raise SystemExit(f"the demo did not run: {made.stderr[-2000:]}")
        server, addresses = client.serve(state)
        threading.Thread(target=server.stderr.read, daemon=True).start()
        address, results, shared = addresses["calls"], [], None
        try:
            if options.short:
                shared = Honest(address, mint(state, "honest"))
                time.sleep(1.5)
            for name in options.only or attackers.ATTACKS:
                results.append(judge(name, state, server, address, options, shared))
            if shared:
                shared.stop()
        finally:
            server.terminate()
            drained = server.wait(timeout=60) == 0
    return finish(results, options.short), drained


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="path of the airlock binary")
    parser.add_argument("--only", action="append", choices=attackers.ATTACKS, help="only this attack; repeatable")
    parser.add_argument("--seconds", type=float, help="how long each attack lasts [default: 10, 0.5 with --short]")
    parser.add_argument("--short", action="store_true", help="half a second each, about 40 s in all")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--honest", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--attack", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.seconds = options.seconds or (0.5 if options.short else 10)
    if options.honest:
        return honest(options.target, os.environ["ATTACKS_TOKEN"])
    if options.attack:
        host, port = options.target.rsplit(":", 1)
        print("begun", flush=True)
        did = attackers.run(options.attack, host, int(port), os.environ["ATTACKS_TOKEN"], options.seconds)
        return print(json.dumps(did), flush=True)
    client.AIRLOCK = options.target
    results, drained = session(options)
    if options.json:
        print(json.dumps({"attacks": results, "drained": drained, "ok": drained and all(row["ok"] for row in results)}))
    else:
        table(results)
        print(f"{sum(row['ok'] for row in results)} of {len(results)} within the bars; drained: {drained}")
    return 0 if drained and all(row["ok"] for row in results) else 1


if __name__ == "__main__":
    sys.exit(main())
