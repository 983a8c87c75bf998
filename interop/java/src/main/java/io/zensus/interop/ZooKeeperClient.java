package io.zensus.interop;

import static io.zensus.interop.Steps.check;
import static io.zensus.interop.Steps.eventually;
import static io.zensus.interop.Steps.fails;
import static io.zensus.interop.Steps.next;
import static io.zensus.interop.Steps.ok;
import static io.zensus.interop.Steps.same;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.Version;
import org.apache.zookeeper.admin.ZooKeeperAdmin;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.ClientInfo;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;

/** The client of Apache ZooKeeper. Argument: HOST:PORT. */
public final class ZooKeeperClient {
    private static String connect;

    /** A session and the events that it was told. */
    private static final class Session implements AutoCloseable {
        final BlockingQueue<WatchedEvent> states = new LinkedBlockingQueue<>();
        final ZooKeeper zk;

        Session(String where) throws Exception {
            zk = new ZooKeeper(where, 20_000, e -> {
                if (e.getType() == EventType.None) {
                    states.add(e);
                }
            });
            await(KeeperState.SyncConnected);
        }

        void await(KeeperState want) throws Exception {
            while (next(states, "state " + want).getState() != want) {
                // an earlier one
            }
        }

        @Override
        public void close() throws Exception {
            zk.close();
        }
    }

    private static String text(WatchedEvent e) {
        return e.getType() + " " + e.getPath();
    }

    public static void main(String[] args) throws Exception {
        connect = args[0];
        Steps.say("client " + Version.getVersion());
        try (Session a = new Session(connect); Session b = new Session(connect)) {
            basics(a.zk, b.zk);
            kinds(a.zk, b.zk);
            acls(a.zk, b.zk);
            watches(a.zk, b.zk);
            persistentWatches(a.zk, b.zk);
            removedWatches(a.zk, b.zk);
            multi(a.zk);
            pipelined(a.zk);
            identity(a.zk, b.zk);
            reconfigRefused();
            chroot(a.zk);
            sessionMoves(a);
            restart(a, b);
        }
        ok("end");
        System.exit(0);
    }

    private static void basics(ZooKeeper a, ZooKeeper b) throws Exception {
        Stat made = new Stat();
        same("/n", a.create("/n", "one".getBytes(UTF_8), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, made));
        same(0, made.getVersion());
        check(made.getCzxid() == made.getMzxid() && made.getCzxid() == made.getPzxid(), made);
        check(Math.abs(System.currentTimeMillis() - made.getCtime()) < 60_000, made);
        Stat set = a.setData("/n", "two".getBytes(UTF_8), 0);
        same(1, set.getVersion());
        fails(KeeperException.BadVersionException.class, () -> a.setData("/n", null, 0));
        fails(KeeperException.NodeExistsException.class, () -> a.create("/n", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        fails(KeeperException.NoNodeException.class, () -> b.getData("/none", false, null));
        b.sync("/", (rc, path, ctx) -> {}, null);
        same("two", new String(b.getData("/n", false, null), UTF_8));
        a.create("/n/c", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        same(null, b.getData("/n/c", false, null));
        same(List.of("c"), b.getChildren("/n", false));
        same(1, b.exists("/n", false).getNumChildren());
        fails(KeeperException.NotEmptyException.class, () -> a.delete("/n", -1));
        a.delete("/n/c", 0);
        a.delete("/n", -1);
        same(null, b.exists("/n", false));
        fails(KeeperException.BadArgumentsException.class, () -> a.delete("/zookeeper", -1));
        ok("basics");
    }

    private static void kinds(ZooKeeper a, ZooKeeper b) throws Exception {
        a.create("/kinds", null, Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER);
        same("/kinds/s-0000000000", a.create("/kinds/s-", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL));
        same("/kinds/e-0000000001", a.create("/kinds/e-", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL_SEQUENTIAL));
        same(a.getSessionId(), b.exists("/kinds/e-0000000001", false).getEphemeralOwner());
        fails(KeeperException.NoChildrenForEphemeralsException.class,
            () -> a.create("/kinds/e-0000000001/x", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        a.create("/kinds/ttl", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, new Stat(), 300);
        same("/kinds/t-0000000003",
            a.create("/kinds/t-", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL, new Stat(), 60_000));
        eventually("the end of a TTL znode", () -> b.exists("/kinds/ttl", false) == null);
        same(3, b.getAllChildrenNumber("/kinds"));
        same(List.of("/kinds/e-0000000001"), a.getEphemerals());
        same(List.of(), b.getEphemerals("/kinds"));
        same(List.of("/kinds/e-0000000001"), a.getEphemerals("/kinds"));
        for (String child : b.getChildren("/kinds", false)) {
            b.delete("/kinds/" + child, -1);
        }
        eventually("the end of an empty container", () -> b.exists("/kinds", false) == null);
        ok("kinds");
    }

    private static void acls(ZooKeeper a, ZooKeeper b) throws Exception {
        a.addAuthInfo("digest", "ann:secret".getBytes(UTF_8));
        a.create("/acl", "x".getBytes(UTF_8), Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        fails(KeeperException.NoAuthException.class, () -> b.getData("/acl", false, null));
        fails(KeeperException.NoAuthException.class, () -> b.setACL("/acl", Ids.OPEN_ACL_UNSAFE, -1));
        Stat stat = new Stat();
        List<ACL> acl = new ArrayList<>(a.getACL("/acl", stat));
        same("digest", acl.get(0).getId().getScheme());
        acl.add(new ACL(Perms.READ, new Id("ip", "127.0.0.1")));
        same(1, a.setACL("/acl", acl, stat.getAversion()).getAversion());
        same("x", new String(b.getData("/acl", false, null), UTF_8));
        fails(KeeperException.NoAuthException.class, () -> b.create("/acl/c", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        fails(KeeperException.InvalidACLException.class, () -> a.setACL("/acl", new ArrayList<>(List.of(new ACL(Perms.ALL, new Id("none", "x")))), -1));
        try (Session c = new Session(connect)) {
            c.zk.addAuthInfo("sasl", "x".getBytes(UTF_8));
            c.await(KeeperState.AuthFailed);
        }
        ok("acls");
    }

    private static void watches(ZooKeeper a, ZooKeeper b) throws Exception {
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        Watcher w = e -> seen.add(text(e));
        b.exists("/w", w);
        a.create("/w", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        same("NodeCreated /w", next(seen, "creation"));
        b.getData("/w", w, null);
        b.getChildren("/w", w);
        a.create("/w/c", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        same("NodeChildrenChanged /w", next(seen, "a child"));
        a.setData("/w", null, -1);
        same("NodeDataChanged /w", next(seen, "data"));
        b.getChildren("/w/c", w);
        b.getData("/w/c", w, null);
        a.delete("/w/c", -1);
        same("NodeDeleted /w/c", next(seen, "deletion"));
        a.delete("/w", -1);
        same(null, seen.poll(200, TimeUnit.MILLISECONDS)); // every one fired once
        ok("watches");
    }

    private static void persistentWatches(ZooKeeper a, ZooKeeper b) throws Exception {
        BlockingQueue<String> recursive = new LinkedBlockingQueue<>();
        BlockingQueue<String> persistent = new LinkedBlockingQueue<>();
        b.addWatch("/tree", e -> recursive.add(text(e)), AddWatchMode.PERSISTENT_RECURSIVE);
        b.addWatch("/tree", e -> persistent.add(text(e)), AddWatchMode.PERSISTENT);
        a.create("/tree", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        a.create("/tree/a", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        a.create("/tree/a/b", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        a.setData("/tree/a/b", null, -1);
        a.setData("/tree", null, -1);
        a.delete("/tree/a/b", -1);
        a.delete("/tree/a", -1);
        a.delete("/tree", -1);
        for (String want : List.of("NodeCreated /tree", "NodeCreated /tree/a", "NodeCreated /tree/a/b", "NodeDataChanged /tree/a/b",
            "NodeDataChanged /tree", "NodeDeleted /tree/a/b", "NodeDeleted /tree/a", "NodeDeleted /tree")) {
            String got = next(recursive, want);
            if (got.startsWith("NodeChildrenChanged")) {
                got = next(recursive, want); // the other watch of this path brought it
            }
            same(want, got);
        }
        for (String want : List.of("NodeCreated /tree", "NodeChildrenChanged /tree", "NodeDataChanged /tree", "NodeChildrenChanged /tree",
            "NodeDeleted /tree")) {
            same(want, next(persistent, want));
        }
        ok("persistentWatches");
    }

    private static void removedWatches(ZooKeeper a, ZooKeeper b) throws Exception {
        a.create("/removed", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        Watcher w = e -> seen.add(text(e));
        b.getData("/removed", w, null);
        b.removeWatches("/removed", w, Watcher.WatcherType.Data, false);
        same("DataWatchRemoved /removed", next(seen, "the removal"));
        fails(KeeperException.NoWatcherException.class, () -> b.removeWatches("/removed", w, Watcher.WatcherType.Any, false));
        b.addWatch("/removed", w, AddWatchMode.PERSISTENT_RECURSIVE);
        b.removeWatches("/removed", w, Watcher.WatcherType.Any, false);
        same("PersistentWatchRemoved /removed", next(seen, "the removal"));
        a.setData("/removed", null, -1);
        same(null, seen.poll(200, TimeUnit.MILLISECONDS));
        ok("removedWatches");
    }

    private static void multi(ZooKeeper a) throws Exception {
        List<OpResult> done = a.multi(List.of(
            Op.create("/m", "0".getBytes(UTF_8), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
            Op.create("/m/s-", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL_SEQUENTIAL),
            Op.setData("/m", "1".getBytes(UTF_8), 0),
            Op.check("/m", 1)));
        same("/m/s-0000000000", ((OpResult.CreateResult) done.get(1)).getPath());
        same(1, ((OpResult.SetDataResult) done.get(2)).getStat().getVersion());
        KeeperException refused = fails(KeeperException.NoNodeException.class, () -> a.multi(List.of(
            Op.setData("/m", "2".getBytes(UTF_8), 1), Op.delete("/none", -1), Op.create("/m/x", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT))));
        List<Integer> codes = refused.getResults().stream().map(r -> ((OpResult.ErrorResult) r).getErr()).collect(Collectors.toList());
        same(List.of(0, KeeperException.Code.NONODE.intValue(), KeeperException.Code.RUNTIMEINCONSISTENCY.intValue()), codes);
        same("1", new String(a.getData("/m", false, null), UTF_8));
        List<OpResult> read = a.multi(List.of(Op.getData("/m"), Op.getChildren("/m"), Op.getData("/none")));
        same("1", new String(((OpResult.GetDataResult) read.get(0)).getData(), UTF_8));
        same(List.of("s-0000000000"), ((OpResult.GetChildrenResult) read.get(1)).getChildren());
        same(KeeperException.Code.NONODE.intValue(), ((OpResult.ErrorResult) read.get(2)).getErr());
        ok("multi");
    }

    private static void pipelined(ZooKeeper a) throws Exception {
        int count = 2000;
        List<String> order = Collections.synchronizedList(new ArrayList<>());
        CountDownLatch all = new CountDownLatch(count);
        a.create("/p", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        for (int i = 0; i < count; i++) {
            a.create("/p/", new byte[100], Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL, (rc, path, ctx, name) -> {
                order.add(rc + " " + name);
                all.countDown();
            }, null);
        }
        check(all.await(60, TimeUnit.SECONDS), "the answers");
        for (int i = 0; i < count; i++) {
            same(String.format("0 /p/%010d", i), order.get(i));
        }
        same(count, a.getChildren("/p", false).size());
        ok("pipelined");
    }

    private static void identity(ZooKeeper a, ZooKeeper b) throws Exception {
        List<String> who = a.whoAmI().stream().map(ClientInfo::getAuthScheme).sorted().collect(Collectors.toList());
        same(List.of("digest", "ip"), who);
        same("127.0.0.1", b.whoAmI().get(0).getUser());
        ok("identity");
    }

    private static void reconfigRefused() throws Exception {
        CountDownLatch up = new CountDownLatch(1);
        try (ZooKeeperAdmin admin = new ZooKeeperAdmin(connect, 20_000, e -> {
            if (e.getState() == KeeperState.SyncConnected) {
                up.countDown();
            }
        })) {
            check(up.await(Steps.WAIT_SECONDS, TimeUnit.SECONDS), "a connection");
            fails(KeeperException.ReconfigDisabledException.class,
                () -> admin.reconfigure("server.2=127.0.0.1:2888:3888;2181", null, null, -1, null));
            admin.getConfig(false, new Stat());
        }
        ok("reconfigRefused");
    }

    private static void chroot(ZooKeeper a) throws Exception {
        a.create("/root", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        try (Session inside = new Session(connect + "/root")) {
            BlockingQueue<String> seen = new LinkedBlockingQueue<>();
            inside.zk.addWatch("/", e -> seen.add(text(e)), AddWatchMode.PERSISTENT_RECURSIVE);
            same("/leaf", inside.zk.create("/leaf", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
            same("NodeCreated /leaf", next(seen, "creation"));
        }
        check(a.exists("/root/leaf", false) != null, "the leaf");
        ok("chroot");
    }

    /** A second client takes the session over, and ends it. */
    private static void sessionMoves(Session first) throws Exception {
        Session s = new Session(connect);
        s.zk.create("/moves", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        CountDownLatch up = new CountDownLatch(1);
        ZooKeeper thief = new ZooKeeper(connect, 20_000, e -> {
            if (e.getState() == KeeperState.SyncConnected) {
                up.countDown();
            }
        }, s.zk.getSessionId(), s.zk.getSessionPasswd());
        check(up.await(Steps.WAIT_SECONDS, TimeUnit.SECONDS), "the session taken over");
        same(s.zk.getSessionId(), thief.getSessionId());
        check(first.zk.exists("/moves", false) != null, "an ephemeral is the session's, not the connection's");
        thief.close();
        eventually("the ephemeral's end", () -> first.zk.exists("/moves", false) == null);
        s.await(KeeperState.Expired);
        s.close();
        // A wrong password is no way in.
        BlockingQueue<WatchedEvent> states = new LinkedBlockingQueue<>();
        try (ZooKeeper stranger = new ZooKeeper(connect, 20_000, states::add, first.zk.getSessionId(), new byte[16])) {
            same(KeeperState.Expired, next(states, "refusal").getState());
        }
        check(first.zk.exists("/", false) != null, "the session goes on");
        ok("sessionMoves");
    }

    private static void restart(Session a, Session b) throws Exception {
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        a.zk.create("/kept", "before".getBytes(UTF_8), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        a.zk.create("/kept/mine", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        b.zk.addWatch("/kept", e -> {
            if (e.getType() != EventType.None) {
                seen.add(text(e));
            }
        }, AddWatchMode.PERSISTENT_RECURSIVE);
        long id = a.zk.getSessionId();
        a.states.clear();
        b.states.clear();
        Steps.pause("please restart");
        a.await(KeeperState.Disconnected);
        a.await(KeeperState.SyncConnected);
        b.await(KeeperState.SyncConnected);
        b.zk.exists("/kept", false); // behind the setWatches that arms its watch again
        same(id, a.zk.getSessionId());
        same("before", new String(a.zk.getData("/kept", false, null), UTF_8));
        same(id, a.zk.exists("/kept/mine", false).getEphemeralOwner());
        a.zk.setData("/kept", "after".getBytes(UTF_8), 0);
        a.zk.delete("/kept/mine", -1);
        same("NodeDataChanged /kept", next(seen, "data after the restart"));
        same("NodeDeleted /kept/mine", next(seen, "deletion after the restart"));
        ok("restart");
    }
}
