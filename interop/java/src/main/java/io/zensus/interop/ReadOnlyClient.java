package io.zensus.interop;

import static io.zensus.interop.Steps.check;
import static io.zensus.interop.Steps.eventually;
import static io.zensus.interop.Steps.fails;
import static io.zensus.interop.Steps.next;
import static io.zensus.interop.Steps.ok;
import static io.zensus.interop.Steps.pause;
import static io.zensus.interop.Steps.same;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.ZooKeeper.States;

/**
 * The client of Apache ZooKeeper while an ensemble has no quorum. Argument: the
 * addresses of three servers. It asks for two of them to be stopped, and to be started
 * again.
 */
public final class ReadOnlyClient {
    private static final BlockingQueue<WatchedEvent> STATES = new LinkedBlockingQueue<>();
    private static final BlockingQueue<WatchedEvent> EVENTS = new LinkedBlockingQueue<>();

    private static ZooKeeper open(String where, boolean readOnly) throws Exception {
        return new ZooKeeper(where, 20_000, e -> (e.getType() == EventType.None ? STATES : EVENTS).add(e), readOnly);
    }

    private static void await(KeeperState want) throws Exception {
        while (next(STATES, "state " + want).getState() != want) {
            // an earlier one
        }
    }

    public static void main(String[] args) throws Exception {
        String servers = args[0];
        ZooKeeper first = open(servers, true);
        await(KeeperState.SyncConnected);
        same(States.CONNECTED, first.getState());
        first.create("/a", "one".getBytes(UTF_8), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        first.create("/b", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        first.close();
        ok("written");
        pause("please stop two");

        STATES.clear();
        ZooKeeper zk = open(servers, true);
        await(KeeperState.ConnectedReadOnly);
        same(States.CONNECTEDREADONLY, zk.getState());
        same("one", new String(zk.getData("/a", true, null), UTF_8));
        check(zk.getChildren("/", false).contains("b"), "children");
        fails(KeeperException.NotReadOnlyException.class, () -> zk.setData("/a", null, -1));
        fails(KeeperException.NotReadOnlyException.class, () -> zk.create("/c", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL));
        fails(KeeperException.NotReadOnlyException.class, () -> zk.delete("/a", -1));
        fails(KeeperException.NotReadOnlyException.class, () -> zk.multi(java.util.List.of(Op.setData("/a", null, -1))));
        BlockingQueue<Integer> synced = new LinkedBlockingQueue<>();
        zk.sync("/a", (rc, path, ctx) -> synced.add(rc), null);
        same(KeeperException.Code.NOTREADONLY.intValue(), next(synced, "sync"));
        same(null, zk.exists("/c", false));
        same(States.CONNECTEDREADONLY, zk.getState());
        ok("read only");

        BlockingQueue<WatchedEvent> others = new LinkedBlockingQueue<>();
        try (ZooKeeper other = new ZooKeeper(servers, 20_000, others::add, false)) {
            WatchedEvent e = others.poll(3, java.util.concurrent.TimeUnit.SECONDS);
            check(e == null || e.getState() == KeeperState.Disconnected, e);
            check(!other.getState().isConnected(), other.getState());
        }
        ok("others are not let in");

        STATES.clear();
        pause("please start two");
        await(KeeperState.SyncConnected);
        eventually("a write", () -> {
            try {
                zk.setData("/a", "two".getBytes(UTF_8), -1);
                return true;
            } catch (KeeperException.ConnectionLossException e) {
                return false;
            }
        });
        same(States.CONNECTED, zk.getState());
        same("two", new String(zk.getData("/a", false, null), UTF_8));
        // The watch was armed while there was no quorum, and is there still.
        same(EventType.NodeDataChanged, next(EVENTS, "the watch").getType());
        zk.create("/c", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        zk.close();
        ok("read and write");
        ok("end");
        System.exit(0);
    }
}
