"""kazoo while an ensemble has no quorum.

Usage: kazoo_readonly.py HOST:PORT,HOST:PORT,HOST:PORT
Prints "ok STEP" for every step that held. It prints "please stop two" and "please
start two", and goes on when it reads a line.
"""

import sys
import time

from kazoo.client import KazooClient, KeeperState
from kazoo.exceptions import ConnectionLoss, NotReadOnlyCallError, SessionExpiredError

WAIT = 30
hosts = sys.argv[1]


def ok(step):
    print("ok", step, flush=True)


def pause(word):
    print(word, flush=True)
    sys.stdin.readline()


def eventually(what, holds):
    deadline = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < deadline, "not within %d s: %s" % (WAIT, what)
        time.sleep(0.02)


def expect(error, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except error:
        return
    raise AssertionError("no %s" % error.__name__)


first = KazooClient(hosts=hosts, timeout=20, read_only=True)
first.start(timeout=WAIT)
assert first.client_state == KeeperState.CONNECTED, first.client_state
first.create("/a", b"one")
first.create("/b")
first.stop()
first.close()
ok("written")
pause("please stop two")

client = KazooClient(hosts=hosts, timeout=20, read_only=True)
client.start(timeout=WAIT)
assert client.client_state == KeeperState.CONNECTED_RO, client.client_state
assert client.get("/a")[0] == b"one"
assert "b" in client.get_children("/")
expect(NotReadOnlyCallError, client.set, "/a", b"")
expect(NotReadOnlyCallError, client.create, "/c", ephemeral=True)
expect(NotReadOnlyCallError, client.delete, "/a")
expect(NotReadOnlyCallError, client.sync, "/a")
assert client.exists("/c") is None
ok("read only")

other = KazooClient(hosts=hosts, timeout=20)
try:
    other.start(timeout=3)
    raise AssertionError("a client that writes is let in")
except other.handler.timeout_exception:
    other.stop()
    other.close()
ok("others are not let in")

pause("please start two")


def written():
    try:
        client.set("/a", b"two")
    except (ConnectionLoss, NotReadOnlyCallError, SessionExpiredError):
        return False
    return True


eventually("read and write", lambda: client.client_state == KeeperState.CONNECTED)
eventually("a write", written)
assert client.get("/a")[0] == b"two"
client.create("/c", ephemeral=True)
client.stop()
client.close()
ok("read and write")
ok("end")
