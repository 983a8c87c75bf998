"""kazoo against a server: its recipes, transactions, watchers, and a restart.

Usage: kazoo_client.py HOST:PORT
Prints "ok STEP" for every step that held. At the step "restart" it prints
"please restart", and goes on when it reads a line.
"""

import sys
import threading
import time

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import (
    BadVersionError,
    LockTimeout,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
)
from kazoo.recipe.cache import TreeCache, TreeEvent
from kazoo.security import make_digest_acl

WAIT = 20
host = sys.argv[1]
clients = []


def connect(**options):
    client = KazooClient(hosts=host, timeout=20, **options)
    client.start(timeout=WAIT)
    clients.append(client)
    return client


def ok(step):
    print("ok", step, flush=True)


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


a, b, c = connect(), connect(), connect()


def step_basics():
    assert a.server_version()[0] == 3, a.server_version()
    a.ensure_path("/basics/deep/path")
    path, stat = a.create("/basics/n", b"one", include_data=True)
    assert (path, stat.version) == ("/basics/n", 0)
    expect(NodeExistsError, a.create, "/basics/n")
    stat = a.set("/basics/n", b"two", version=0)
    assert stat.version == 1
    expect(BadVersionError, a.set, "/basics/n", b"x", version=0)
    assert b.get("/basics/n")[0] == b"two"
    children, stat = a.get_children("/basics", include_data=True)
    assert sorted(children) == ["deep", "n"] and stat.numChildren == 2
    expect(NotEmptyError, a.delete, "/basics")
    names = [a.create("/basics/s-", sequence=True) for _ in range(3)]
    assert names == ["/basics/s-%010d" % n for n in (2, 3, 4)], names
    a.delete("/basics", recursive=True)
    assert b.exists("/basics") is None
    expect(NoNodeError, b.get, "/basics")
    assert a.sync("/") == "/"
    unicode = "/zh-\u4e2d\u6587"
    a.create(unicode, "\u503c".encode())
    assert "zh-\u4e2d\u6587" in b.get_children("/")


def step_async():
    a.ensure_path("/async")
    created = [a.create_async("/async/n%03d" % n, b"%d" % n) for n in range(200)]
    assert [r.get(timeout=WAIT) for r in created] == ["/async/n%03d" % n for n in range(200)]
    got = [a.get_async("/async/n%03d" % n) for n in range(200)]
    assert [r.get(timeout=WAIT)[0] for r in got] == [b"%d" % n for n in range(200)]


def step_acl():
    a.add_auth("digest", "ann:secret")
    a.create("/acl", b"x", acl=[make_digest_acl("ann", "secret", all=True)])
    expect(NoAuthError, b.get, "/acl")
    assert a.get("/acl")[0] == b"x"
    acls, stat = a.get_acls("/acl")
    assert acls[0].id.scheme == "digest" and acls[0].id.id.startswith("ann:")
    knows = connect(auth_data=[("digest", "ann:secret")])
    assert knows.get("/acl")[0] == b"x"


def step_transaction():
    t = a.transaction()
    t.create("/tx", b"1")
    t.create("/tx/a", ephemeral=True)
    t.set_data("/tx", b"2", version=0)
    t.check("/tx", version=1)
    results = t.commit()
    assert results[:2] == ["/tx", "/tx/a"] and results[2].version == 1 and results[3] is True, results
    t = a.transaction()
    t.create("/tx/b")
    t.check("/tx", version=9)
    t.delete("/tx/a")
    results = t.commit()
    assert isinstance(results[0], RolledBackError) and isinstance(results[1], BadVersionError), results
    assert a.get_children("/tx") == ["a"]


def step_data_watch():
    seen, done = [], threading.Event()

    @b.DataWatch("/watched")
    def changed(data, stat, event):
        seen.append((data, event.type if event else None))
        if len(seen) == 4:
            done.set()

    for n, act in enumerate([
        lambda: a.create("/watched", b"1"), lambda: a.set("/watched", b"2"), lambda: a.delete("/watched"),
    ]):
        eventually("watch %d" % n, lambda: len(seen) == n + 1)
        act()
    assert done.wait(WAIT), seen
    assert seen == [(None, None), (b"1", "CREATED"), (b"2", "CHANGED"), (None, "DELETED")], seen


def step_children_watch():
    a.ensure_path("/family")
    seen = []

    @b.ChildrenWatch("/family")
    def changed(children):
        seen.append(sorted(children))

    a.create("/family/x")
    eventually("one child", lambda: seen[-1] == ["x"])
    a.create("/family/y")
    eventually("two children", lambda: seen[-1] == ["x", "y"])
    a.delete("/family/x")
    eventually("one left", lambda: seen[-1] == ["y"])


def step_tree_cache():
    a.ensure_path("/cached/sub")
    cache = TreeCache(b, "/cached")
    ready = threading.Event()
    cache.listen(lambda e: ready.set() if e.event_type == TreeEvent.INITIALIZED else None)
    cache.start()
    assert ready.wait(WAIT)
    a.create("/cached/sub/leaf", b"v")
    eventually("the leaf", lambda: cache.get_data("/cached/sub/leaf") is not None)
    assert cache.get_data("/cached/sub/leaf").data == b"v"
    a.delete("/cached/sub/leaf")
    eventually("its end", lambda: cache.get_data("/cached/sub/leaf") is None)
    cache.close()


def step_lock():
    first, second = a.Lock("/lock", "a"), b.Lock("/lock", "b")
    assert first.acquire(timeout=WAIT)
    expect(LockTimeout, second.acquire, timeout=0.3)
    assert not second.acquire(blocking=False)
    assert first.contenders() == ["a"]
    got = threading.Event()
    thread = threading.Thread(target=lambda: second.acquire(timeout=WAIT) and got.set())
    thread.start()
    eventually("a second contender", lambda: first.contenders() == ["a", "b"])
    assert not got.is_set()
    first.release()
    assert got.wait(WAIT)
    thread.join()
    second.release()
    # Who holds a lock and is gone holds it no more.
    doomed = connect()
    assert doomed.Lock("/lock").acquire(timeout=WAIT)
    doomed.stop()
    assert first.acquire(timeout=WAIT)
    first.release()
    readers = [a.ReadLock("/rw"), b.ReadLock("/rw")]
    writer = c.WriteLock("/rw")
    for r in readers:
        assert r.acquire(timeout=WAIT)
    assert not writer.acquire(blocking=False)
    for r in readers:
        r.release()
    assert writer.acquire(timeout=WAIT)
    assert not readers[0].acquire(blocking=False)
    writer.release()
    with a.Semaphore("/semaphore", max_leases=2), b.Semaphore("/semaphore", max_leases=2):
        assert not c.Semaphore("/semaphore", max_leases=2).acquire(blocking=False)


def step_election():
    order, inside, quit_now = [], threading.Event(), threading.Event()

    def lead(name):
        order.append(name)
        inside.set()
        assert quit_now.wait(WAIT)

    threads = []
    for client, name in ((a, "a"), (b, "b")):
        e = client.Election("/election", name)
        threads.append(threading.Thread(target=e.run, args=(lead, name)))
        threads[-1].start()
        eventually("candidate " + name, lambda: len(e.contenders()) == len(threads))
    assert inside.wait(WAIT)
    time.sleep(0.2)
    assert order == ["a"], order
    quit_now.set()
    for t in threads:
        t.join(WAIT)
    assert order == ["a", "b"], order


def step_barriers():
    barrier = a.Barrier("/barrier")
    barrier.create()
    assert not b.Barrier("/barrier").wait(0.2)
    threading.Timer(0.2, barrier.remove).start()
    assert b.Barrier("/barrier").wait(WAIT)
    passed = []

    def meet(client):
        d = client.DoubleBarrier("/double", 3)
        d.enter()
        passed.append("in")
        d.leave()
        passed.append("out")

    threads = [threading.Thread(target=meet, args=(x,)) for x in (a, b)]
    for t in threads:
        t.start()
    time.sleep(0.3)
    assert passed == []
    meet(c)
    for t in threads:
        t.join(WAIT)
    assert passed.count("in") == 3 and passed.count("out") == 3, passed


def step_queues():
    queue = a.Queue("/queue")
    for n in range(5):
        queue.put(b"%d" % n, priority=100 if n < 4 else 1)
    assert len(b.Queue("/queue")) == 5
    got = [b.Queue("/queue").get() for _ in range(6)]
    assert got == [b"4", b"0", b"1", b"2", b"3", None], got
    locking = a.LockingQueue("/lqueue")
    locking.put_all([b"x", b"y"])
    taken = b.LockingQueue("/lqueue")
    assert taken.get(WAIT) == b"x"
    assert taken.holds_lock()
    assert c.LockingQueue("/lqueue").get(WAIT) == b"y"
    assert taken.consume()


def step_counter():
    def add(client):
        counter = client.Counter("/counter")
        for _ in range(25):
            counter += 1

    threads = [threading.Thread(target=add, args=(x,)) for x in (a, b)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert a.Counter("/counter").value == 50, a.Counter("/counter").value


def step_party():
    first, second = a.Party("/party", "ann"), b.ShallowParty("/shallow", "bob")
    first.join()
    second.join()
    assert list(b.Party("/party")) == ["ann"] and len(list(a.ShallowParty("/shallow"))) == 1
    second.leave()
    eventually("an empty party", lambda: not list(a.ShallowParty("/shallow")))
    parts = []

    def split(client, name):
        p = client.SetPartitioner("/set", set=(1, 2, 3, 4), identifier=name, time_boundary=0.5)
        p.wait_for_acquire(WAIT)
        assert p.acquired
        parts.append(set(p))
        eventually("both parts", lambda: len(parts) == 2)
        p.finish()

    threads = [threading.Thread(target=split, args=x) for x in ((a, "a"), (b, "b"))]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert parts[0] | parts[1] == {1, 2, 3, 4} and not parts[0] & parts[1], parts


def step_chroot():
    a.ensure_path("/chroot/app")
    inside = KazooClient(hosts=host + "/chroot/app", timeout=20)
    inside.start(timeout=WAIT)
    clients.append(inside)
    inside.create("/n", b"v")
    assert a.get("/chroot/app/n")[0] == b"v"


def step_restart():
    states, reconnected = [], threading.Event()

    def listen(state):
        states.append(state)
        if state == KazooState.CONNECTED:
            reconnected.set()

    seen = []

    @b.DataWatch("/durable")
    def changed(data, stat):
        seen.append(data)

    a.create("/durable", b"before")
    a.create("/durable-ephemeral", ephemeral=True)
    lock = a.Lock("/durable-lock", "holder")
    assert lock.acquire(timeout=WAIT)
    eventually("the first value", lambda: seen[-1] == b"before")
    session = a.client_id
    a.add_listener(listen)
    print("please restart", flush=True)
    sys.stdin.readline()
    assert reconnected.wait(60)
    assert states[0] == KazooState.SUSPENDED and KazooState.LOST not in states, states
    assert a.client_id == session
    assert a.retry(a.get, "/durable")[0] == b"before"
    _, stat = a.retry(a.get, "/durable-ephemeral")
    assert stat.ephemeralOwner == session[0]
    eventually("b is back", lambda: b.connected)
    assert not b.Lock("/durable-lock").acquire(blocking=False)
    a.set("/durable", b"after")
    eventually("the watch after the restart", lambda: seen[-1] == b"after")
    lock.release()


for name, run in [(n[5:], f) for n, f in list(globals().items()) if n.startswith("step_")]:
    run()
    ok(name)
for client in clients:
    client.stop()
    client.close()
ok("end")
