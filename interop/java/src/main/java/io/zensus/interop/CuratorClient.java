package io.zensus.interop;

import static io.zensus.interop.Steps.check;
import static io.zensus.interop.Steps.eventually;
import static io.zensus.interop.Steps.next;
import static io.zensus.interop.Steps.ok;
import static io.zensus.interop.Steps.same;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.cache.TreeCache;
import org.apache.curator.framework.recipes.cache.TreeCacheEvent;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryOneTime;
import org.apache.curator.retry.ExponentialBackoffRetry;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceProvider;
import org.apache.curator.x.discovery.details.ServiceCacheListener;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.Watcher.Event.KeeperState;

/** Curator's recipes. Argument: HOST:PORT. */
public final class CuratorClient {
    private static String connect;
    private static CuratorFramework a;
    private static CuratorFramework b;

    private static CuratorFramework open() throws InterruptedException {
        CuratorFramework c = CuratorFrameworkFactory.builder().connectString(connect).sessionTimeoutMs(15_000)
            .connectionTimeoutMs(10_000).retryPolicy(new ExponentialBackoffRetry(200, 8, 2000)).build();
        c.start();
        check(c.blockUntilConnected(Steps.WAIT_SECONDS, TimeUnit.SECONDS), "a connection");
        return c;
    }

    public static void main(String[] args) throws Exception {
        connect = args[0];
        a = open();
        b = open();
        framework();
        mutex();
        locks();
        leaderLatch();
        leaderSelector();
        treeCache();
        curatorCache();
        discovery();
        nodes();
        counters();
        barriers();
        expiry();
        restart();
        a.close();
        b.close();
        ok("end");
        System.exit(0);
    }

    private static void framework() throws Exception {
        same("/f/deep/n", a.create().creatingParentContainersIfNeeded().forPath("/f/deep/n", "v".getBytes(UTF_8)));
        same("v", new String(b.getData().forPath("/f/deep/n"), UTF_8));
        String guarded = a.create().withProtection().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath("/f/p-");
        check(guarded.startsWith("/f/_c_"), guarded);
        List<CuratorTransactionResult> done = a.transaction().forOperations(
            a.transactionOp().create().forPath("/f/tx", "1".getBytes(UTF_8)),
            a.transactionOp().setData().withVersion(0).forPath("/f/tx", "2".getBytes(UTF_8)),
            a.transactionOp().check().withVersion(1).forPath("/f/tx"));
        same(1, done.get(1).getResultStat().getVersion());
        Steps.fails(KeeperException.BadVersionException.class, () -> a.transaction().forOperations(
            a.transactionOp().delete().forPath("/f/tx"),
            a.transactionOp().check().withVersion(9).forPath("/f/deep")));
        check(a.checkExists().forPath("/f/tx") != null, "nothing of a failed transaction is done");
        BlockingQueue<String> background = new LinkedBlockingQueue<>();
        a.getChildren().inBackground((c, e) -> background.add(e.getType() + " " + new TreeSet<>(e.getChildren()).contains("tx"))).forPath("/f");
        same("CHILDREN true", next(background, "an answer in the background"));
        a.delete().guaranteed().deletingChildrenIfNeeded().forPath("/f");
        same(null, b.checkExists().forPath("/f"));
        same("ns", a.usingNamespace("ns").getNamespace());
        a.usingNamespace("ns").create().forPath("/in");
        check(b.checkExists().forPath("/ns/in") != null, "a namespace is a folder");
        ok("framework");
    }

    private static void mutex() throws Exception {
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger entries = new AtomicInteger();
        List<Thread> threads = new ArrayList<>();
        List<Throwable> wrong = Collections.synchronizedList(new ArrayList<>());
        for (CuratorFramework client : List.of(a, b, a, b)) {
            Thread t = new Thread(() -> {
                InterProcessMutex lock = new InterProcessMutex(client, "/mutex");
                try {
                    for (int i = 0; i < 5; i++) {
                        check(lock.acquire(30, TimeUnit.SECONDS), "the lock");
                        check(lock.acquire(1, TimeUnit.SECONDS), "it is reentrant");
                        same(1, inside.incrementAndGet());
                        entries.incrementAndGet();
                        Thread.sleep(2);
                        inside.decrementAndGet();
                        lock.release();
                        lock.release();
                    }
                } catch (Throwable e) {
                    wrong.add(e);
                }
            });
            t.start();
            threads.add(t);
        }
        for (Thread t : threads) {
            t.join();
        }
        same(List.of(), wrong);
        same(20, entries.get());
        InterProcessMutex held = new InterProcessMutex(a, "/mutex");
        held.acquire();
        check(!new InterProcessMutex(b, "/mutex").acquire(300, TimeUnit.MILLISECONDS), "a second holder");
        held.release();
        ok("mutex");
    }

    private static void locks() throws Exception {
        InterProcessReadWriteLock one = new InterProcessReadWriteLock(a, "/rw");
        InterProcessReadWriteLock two = new InterProcessReadWriteLock(b, "/rw");
        one.readLock().acquire();
        check(two.readLock().acquire(10, TimeUnit.SECONDS), "two readers");
        check(!two.writeLock().acquire(200, TimeUnit.MILLISECONDS), "a writer among readers");
        one.readLock().release();
        two.readLock().release();
        check(two.writeLock().acquire(10, TimeUnit.SECONDS), "a writer alone");
        two.writeLock().release();
        InterProcessSemaphoreV2 s = new InterProcessSemaphoreV2(a, "/sem", 2);
        var leases = s.acquire(2, 10, TimeUnit.SECONDS);
        check(leases != null, "two leases");
        same(null, new InterProcessSemaphoreV2(b, "/sem", 2).acquire(200, TimeUnit.MILLISECONDS));
        s.returnAll(leases);
        ok("locks");
    }

    private static void leaderLatch() throws Exception {
        LeaderLatch first = new LeaderLatch(a, "/latch", "a");
        first.start();
        check(first.await(Steps.WAIT_SECONDS, TimeUnit.SECONDS), "a leader");
        LeaderLatch second = new LeaderLatch(b, "/latch", "b");
        second.start();
        eventually("two candidates", () -> second.getParticipants().size() == 2);
        check(!second.hasLeadership(), "two leaders");
        same("a", second.getLeader().getId());
        first.close();
        check(second.await(Steps.WAIT_SECONDS, TimeUnit.SECONDS), "the next leader");
        second.close();
        ok("leaderLatch");
    }

    private static void leaderSelector() throws Exception {
        BlockingQueue<String> leaders = new LinkedBlockingQueue<>();
        List<LeaderSelector> all = new ArrayList<>();
        for (CuratorFramework client : List.of(a, b)) {
            String name = client == a ? "a" : "b";
            LeaderSelector s = new LeaderSelector(client, "/selector", new LeaderSelectorListenerAdapter() {
                @Override
                public void takeLeadership(CuratorFramework c) throws Exception {
                    leaders.add(name);
                    Thread.sleep(50);
                }
            });
            s.autoRequeue();
            s.start();
            all.add(s);
        }
        Set<String> seen = new TreeSet<>();
        while (seen.size() < 2) {
            seen.add(next(leaders, "a leader"));
        }
        all.forEach(LeaderSelector::close);
        ok("leaderSelector");
    }

    private static void treeCache() throws Exception {
        a.create().creatingParentsIfNeeded().forPath("/tc/x/y", "1".getBytes(UTF_8));
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        TreeCache cache = new TreeCache(b, "/tc");
        cache.getListenable().addListener((c, e) -> seen.add(
            e.getType() + (e.getData() == null ? "" : " " + e.getData().getPath())));
        cache.start();
        Set<String> first = new TreeSet<>();
        for (String e = next(seen, "the start"); !e.equals(TreeCacheEvent.Type.INITIALIZED.name()); e = next(seen, "the start")) {
            first.add(e);
        }
        same(Set.of("NODE_ADDED /tc", "NODE_ADDED /tc/x", "NODE_ADDED /tc/x/y"), first);
        a.setData().forPath("/tc/x/y", "2".getBytes(UTF_8));
        same("NODE_UPDATED /tc/x/y", next(seen, "data"));
        same("2", new String(cache.getCurrentData("/tc/x/y").getData(), UTF_8));
        a.create().forPath("/tc/z");
        same("NODE_ADDED /tc/z", next(seen, "a node"));
        a.delete().forPath("/tc/x/y");
        same("NODE_REMOVED /tc/x/y", next(seen, "a deletion"));
        cache.close();
        ok("treeCache");
    }

    private static void curatorCache() throws Exception {
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        CountDownLatch ready = new CountDownLatch(1);
        CuratorCache cache = CuratorCache.build(b, "/cc");
        cache.listenable().addListener(CuratorCacheListener.builder()
            .forCreates(n -> seen.add("+" + n.getPath()))
            .forChanges((old, n) -> seen.add("=" + n.getPath() + " " + new String(n.getData(), UTF_8)))
            .forDeletes(n -> seen.add("-" + n.getPath()))
            .forInitialized(ready::countDown).build());
        cache.start();
        check(ready.await(Steps.WAIT_SECONDS, TimeUnit.SECONDS), "the cache");
        a.create().forPath("/cc", "0".getBytes(UTF_8));
        same("+/cc", next(seen, "a node"));
        a.create().creatingParentsIfNeeded().forPath("/cc/x/y", "1".getBytes(UTF_8));
        same(Set.of("+/cc/x", "+/cc/x/y"), Set.of(next(seen, "a node"), next(seen, "a node")));
        a.setData().forPath("/cc/x/y", "2".getBytes(UTF_8));
        same("=/cc/x/y 2", next(seen, "data"));
        a.delete().forPath("/cc/x/y");
        same("-/cc/x/y", next(seen, "a deletion"));
        cache.close();
        ok("curatorCache");
    }

    /** What an instance carries. */
    public static final class Details {
        public String zone;
        public Map<String, String> more;
    }

    private static ServiceDiscovery<Details> discovery(CuratorFramework c) throws Exception {
        ServiceDiscovery<Details> d = ServiceDiscoveryBuilder.builder(Details.class).client(c).basePath("/services").build();
        d.start();
        return d;
    }

    private static void discovery() throws Exception {
        ServiceDiscovery<Details> provider = discovery(a);
        ServiceDiscovery<Details> consumer = discovery(b);
        ServiceCache<Details> cache = consumer.serviceCacheBuilder().name("orders").build();
        BlockingQueue<Integer> changes = new LinkedBlockingQueue<>();
        cache.addListener(new ServiceCacheListener() {
            @Override
            public void cacheChanged() {
                changes.add(cache.getInstances().size());
            }

            @Override
            public void stateChanged(CuratorFramework c, ConnectionState s) {}
        });
        cache.start();
        Details details = new Details();
        details.zone = "east";
        details.more = Map.of("k", "\u4e2d");
        ServiceInstance<Details> one = ServiceInstance.<Details>builder().name("orders").id("one").address("10.0.0.7").port(80).payload(details).build();
        ServiceInstance<Details> two = ServiceInstance.<Details>builder().name("orders").id("two").address("10.0.0.8").port(80).payload(details).build();
        provider.registerService(one);
        while (next(changes, "an instance") != 1) {
            // an earlier picture
        }
        provider.registerService(two);
        while (next(changes, "two instances") != 2) {
            // an earlier picture
        }
        same(List.of("orders"), new ArrayList<>(consumer.queryForNames()));
        ServiceInstance<Details> found = consumer.queryForInstance("orders", "one");
        same("10.0.0.7", found.getAddress());
        same("\u4e2d", found.getPayload().more.get("k"));
        ServiceProvider<Details> pick = consumer.serviceProviderBuilder().serviceName("orders").build();
        pick.start();
        Set<String> picked = new TreeSet<>();
        eventually("both picked", () -> picked.add(pick.getInstance().getId()) && picked.size() == 2);
        pick.close();
        provider.unregisterService(two);
        while (next(changes, "one instance") != 1) {
            // an earlier picture
        }
        // A provider that is gone is not offered.
        CuratorFramework doomed = open();
        ServiceDiscovery<Details> other = discovery(doomed);
        other.registerService(two);
        while (next(changes, "two instances") != 2) {
            // an earlier picture
        }
        doomed.close();
        while (next(changes, "one instance") != 1) {
            // an earlier picture
        }
        provider.close();
        cache.close();
        consumer.close();
        ok("discovery");
    }

    private static void nodes() throws Exception {
        PersistentNode node = new PersistentNode(a, CreateMode.EPHEMERAL, false, "/nodes/mine", "v".getBytes(UTF_8));
        node.start();
        check(node.waitForInitialCreate(Steps.WAIT_SECONDS, TimeUnit.SECONDS), "the node");
        b.delete().forPath("/nodes/mine");
        eventually("the node made again", () -> b.checkExists().forPath("/nodes/mine") != null);
        node.close();
        eventually("the node's end", () -> b.checkExists().forPath("/nodes/mine") == null);
        PersistentTtlNode ttl = new PersistentTtlNode(a, "/nodes/ttl", 2000, "v".getBytes(UTF_8));
        ttl.start();
        check(ttl.waitForInitialCreate(Steps.WAIT_SECONDS, TimeUnit.SECONDS), "the TTL node");
        Thread.sleep(3000);
        check(b.checkExists().forPath("/nodes/ttl") != null, "a node that is touched stays");
        ttl.close();
        eventually("the end of a node that is not touched", () -> b.checkExists().forPath("/nodes/ttl") == null);
        a.create().creatingParentsIfNeeded().withMode(CreateMode.CONTAINER).forPath("/nodes/box");
        a.create().forPath("/nodes/box/child");
        a.delete().forPath("/nodes/box/child");
        eventually("the end of an empty container", () -> b.checkExists().forPath("/nodes/box") == null);
        GroupMember one = new GroupMember(a, "/group", "one");
        GroupMember two = new GroupMember(b, "/group", "two");
        one.start();
        two.start();
        eventually("two members", () -> one.getCurrentMembers().keySet().equals(Set.of("one", "two")));
        two.close();
        eventually("one member", () -> one.getCurrentMembers().keySet().equals(Set.of("one")));
        one.close();
        ok("nodes");
    }

    private static void counters() throws Exception {
        SharedCount one = new SharedCount(a, "/count", 10);
        SharedCount two = new SharedCount(b, "/count", 10);
        one.start();
        two.start();
        check(one.trySetCount(one.getVersionedValue(), 11), "a count");
        eventually("the count at the other", () -> two.getCount() == 11);
        var stale = two.getVersionedValue();
        one.setCount(12);
        check(!two.trySetCount(stale, 99), "a stale count");
        eventually("the count at the other", () -> two.getCount() == 12);
        one.close();
        two.close();
        DistributedAtomicLong first = new DistributedAtomicLong(a, "/long", new RetryOneTime(50));
        DistributedAtomicLong second = new DistributedAtomicLong(b, "/long", new RetryOneTime(50));
        for (int i = 0; i < 10; i++) {
            AtomicValue<Long> v = (i % 2 == 0 ? first : second).increment();
            check(v.succeeded(), "an increment");
            same((long) i + 1, v.postValue());
        }
        ok("counters");
    }

    private static void barriers() throws Exception {
        DistributedBarrier one = new DistributedBarrier(a, "/barrier");
        one.setBarrier();
        DistributedBarrier two = new DistributedBarrier(b, "/barrier");
        check(!two.waitOnBarrier(200, TimeUnit.MILLISECONDS), "a barrier that stands");
        Thread t = new Thread(() -> {
            try {
                Thread.sleep(200);
                one.removeBarrier();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        t.start();
        check(two.waitOnBarrier(Steps.WAIT_SECONDS, TimeUnit.SECONDS), "a barrier that fell");
        t.join();
        AtomicInteger entered = new AtomicInteger();
        Thread other = new Thread(() -> {
            try {
                DistributedDoubleBarrier d = new DistributedDoubleBarrier(b, "/double", 2);
                d.enter();
                entered.incrementAndGet();
                d.leave();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        other.start();
        Thread.sleep(200);
        same(0, entered.get());
        DistributedDoubleBarrier d = new DistributedDoubleBarrier(a, "/double", 2);
        check(d.enter(Steps.WAIT_SECONDS, TimeUnit.SECONDS), "both");
        check(d.leave(Steps.WAIT_SECONDS, TimeUnit.SECONDS), "both");
        other.join(TimeUnit.SECONDS.toMillis(Steps.WAIT_SECONDS));
        same(1, entered.get());
        ok("barriers");
    }

    /** Ends a client's session from another connection, as Curator's own tests do. */
    private static void killSession(CuratorFramework client) throws Exception {
        ZooKeeper victim = client.getZookeeperClient().getZooKeeper();
        CountDownLatch up = new CountDownLatch(1);
        ZooKeeper twin = new ZooKeeper(connect, 15_000, e -> {
            if (e.getState() == KeeperState.SyncConnected) {
                up.countDown();
            }
        }, victim.getSessionId(), victim.getSessionPasswd());
        check(up.await(Steps.WAIT_SECONDS, TimeUnit.SECONDS), "the session's twin");
        twin.close();
    }

    private static void expiry() throws Exception {
        CuratorFramework c = open();
        BlockingQueue<ConnectionState> states = new LinkedBlockingQueue<>();
        c.getConnectionStateListenable().addListener((client, s) -> states.add(s));
        LeaderLatch latch = new LeaderLatch(c, "/expiry/latch", "c");
        latch.start();
        check(latch.await(Steps.WAIT_SECONDS, TimeUnit.SECONDS), "a leader");
        LeaderLatch heir = new LeaderLatch(b, "/expiry/latch", "b");
        heir.start();
        eventually("two candidates", () -> heir.getParticipants().size() == 2);
        PersistentNode node = new PersistentNode(c, CreateMode.EPHEMERAL, false, "/expiry/node", "v".getBytes(UTF_8));
        node.start();
        check(node.waitForInitialCreate(Steps.WAIT_SECONDS, TimeUnit.SECONDS), "the node");
        CuratorCache cache = CuratorCache.build(c, "/expiry/tree");
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        cache.listenable().addListener(CuratorCacheListener.builder().forCreates(n -> seen.add(n.getPath())).build());
        cache.start();
        long before = c.getZookeeperClient().getZooKeeper().getSessionId();
        killSession(c);
        while (next(states, "the loss") != ConnectionState.LOST) {
            // suspended first
        }
        while (next(states, "a new session") != ConnectionState.RECONNECTED) {
            // not yet
        }
        check(c.getZookeeperClient().getZooKeeper().getSessionId() != before, "another session");
        check(heir.await(Steps.WAIT_SECONDS, TimeUnit.SECONDS), "the next leader");
        eventually("the node made again", () -> {
            var stat = b.checkExists().forPath("/expiry/node");
            return stat != null && stat.getEphemeralOwner() == c.getZookeeperClient().getZooKeeper().getSessionId();
        });
        a.create().creatingParentsIfNeeded().forPath("/expiry/tree/x");
        same(Set.of("/expiry/tree", "/expiry/tree/x"), Set.of(next(seen, "the tree"), next(seen, "its child")));
        cache.close();
        node.close();
        latch.close();
        heir.close();
        c.close();
        ok("expiry");
    }

    private static void restart() throws Exception {
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        CountDownLatch ready = new CountDownLatch(1);
        a.create().forPath("/kept", "before".getBytes(UTF_8));
        CuratorCache cache = CuratorCache.build(b, "/kept");
        cache.listenable().addListener(CuratorCacheListener.builder()
            .forChanges((old, n) -> seen.add(new String(n.getData(), UTF_8))).forInitialized(ready::countDown).build());
        cache.start();
        check(ready.await(Steps.WAIT_SECONDS, TimeUnit.SECONDS), "the cache");
        InterProcessMutex lock = new InterProcessMutex(a, "/kept-lock");
        lock.acquire();
        long session = a.getZookeeperClient().getZooKeeper().getSessionId();
        Steps.pause("please restart");
        same("before", new String(a.getData().forPath("/kept"), UTF_8));
        same(session, a.getZookeeperClient().getZooKeeper().getSessionId());
        check(lock.isOwnedByCurrentThread(), "the lock is held");
        check(!new InterProcessMutex(b, "/kept-lock").acquire(300, TimeUnit.MILLISECONDS), "a second holder");
        a.setData().forPath("/kept", "after".getBytes(UTF_8));
        same("after", next(seen, "data after the restart"));
        lock.release();
        cache.close();
        ok("restart");
    }
}
