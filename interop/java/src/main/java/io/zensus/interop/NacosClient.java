package io.zensus.interop;

import static io.zensus.interop.Steps.check;
import static io.zensus.interop.Steps.eventually;
import static io.zensus.interop.Steps.next;
import static io.zensus.interop.Steps.ok;
import static io.zensus.interop.Steps.same;

import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.PropertyKeyConst;
import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.config.ConfigType;
import com.alibaba.nacos.api.config.listener.AbstractListener;
import com.alibaba.nacos.api.exception.NacosException;
import com.alibaba.nacos.api.naming.NamingMaintainService;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.EventListener;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * The client of Nacos, as an application uses it for a day: of whatever version the class
 * path brings, 1.x, 2.x or 3.x. Arguments: HOST:PORT NAMESPACE [USER PASSWORD]. At
 * "please restart" it goes on when it reads a line; by then the server was killed, runs
 * again and has got the content "meanwhile" for the config "kept" of the group "shop".
 */
public final class NacosClient {
    private static final Properties PROPERTIES = new Properties();
    private static final String SERVICE = "a%2F+b&c=d#e;f:g/h";
    /** Whether the client is newer than 1.x, which has neither batches nor conditions. */
    private static final boolean NEWER =
            Arrays.stream(NamingService.class.getMethods()).anyMatch(m -> m.getName().equals("batchRegisterInstance"));

    public static void main(String[] args) throws Exception {
        PROPERTIES.setProperty(PropertyKeyConst.SERVER_ADDR, args[0]);
        PROPERTIES.setProperty(PropertyKeyConst.NAMESPACE, args[1]);
        if (args.length > 2) {
            PROPERTIES.setProperty(PropertyKeyConst.USERNAME, args[2]);
            PROPERTIES.setProperty(PropertyKeyConst.PASSWORD, args[3]);
        }
        // 1.x listens to a config from the end of the long poll on, during which it was added.
        PROPERTIES.setProperty(PropertyKeyConst.CONFIG_LONG_POLL_TIMEOUT, "10000");
        NamingService provider = NacosFactory.createNamingService(PROPERTIES);
        NamingService consumer = NacosFactory.createNamingService(PROPERTIES);
        ConfigService writer = NacosFactory.createConfigService(PROPERTIES);
        ConfigService reader = NacosFactory.createConfigService(PROPERTIES);
        same("UP", consumer.getServerStatus());
        naming(provider, consumer);
        maintenance(provider, consumer);
        if (NEWER) {
            batch(provider, consumer);
        }
        persistent(provider, consumer);
        providerLost(consumer);
        config(writer, reader);
        oddConfigs(writer, reader);
        largeConfig(writer, reader);
        manyChanges(writer, reader);
        namespaces(writer, reader);
        restart(provider, consumer, writer, reader);
        ok("end");
        System.exit(0);
    }

    private static Instance instance(String ip, int port) {
        Instance i = new Instance();
        i.setIp(ip);
        i.setPort(port);
        i.setWeight(2.5);
        i.setMetadata(Map.of("zone", "east", "name", "\u4e2d"));
        return i;
    }

    private static String text(List<Instance> all) {
        return all.stream().map(i -> i.getIp() + ":" + i.getPort()).collect(Collectors.toCollection(TreeSet::new)).toString();
    }

    /** Waits until the list that came last is the one wanted. */
    private static void await(BlockingQueue<String> lists, String want) throws InterruptedException {
        String got;
        do {
            got = next(lists, want);
        } while (!got.equals(want));
    }

    private static void naming(NamingService provider, NamingService consumer) throws Exception {
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        EventListener listener = e -> seen.add(text(((NamingEvent) e).getInstances()));
        consumer.subscribe("orders", "shop", listener);
        provider.registerInstance("orders", "shop", instance("10.0.0.7", 80));
        await(seen, "[10.0.0.7:80]");
        Instance got = consumer.getAllInstances("orders", "shop").get(0);
        same(2.5, got.getWeight());
        same("\u4e2d", got.getMetadata().get("name"));
        same("shop@@orders", got.getServiceName());
        check(got.isHealthy() && got.isEnabled() && got.isEphemeral(), got);
        same("10.0.0.7", consumer.selectOneHealthyInstance("orders", "shop").getIp());
        same(List.of("orders"), consumer.getServicesOfServer(1, 10, "shop").getData());
        Instance off = instance("10.0.0.7", 80);
        off.setEnabled(false);
        provider.registerInstance("orders", "shop", off);
        eventually("a disabled instance", () -> consumer.selectInstances("orders", "shop", true).isEmpty());
        provider.deregisterInstance("orders", "shop", instance("10.0.0.7", 80));
        await(seen, "[]");
        consumer.unsubscribe("orders", "shop", listener);
        ok("naming");
    }

    /** What an operator sets at an instance is pushed, and outlives what the instance says of itself. */
    private static void maintenance(NamingService provider, NamingService consumer) throws Exception {
        NamingMaintainService operator = NacosFactory.createMaintainService(PROPERTIES);
        BlockingQueue<List<Instance>> seen = new LinkedBlockingQueue<>();
        consumer.subscribe(SERVICE, "shop", e -> seen.add(((NamingEvent) e).getInstances()));
        provider.registerInstance(SERVICE, "shop", instance("10.0.1.1", 80));
        awaitInstance(seen, i -> i.getWeight() == 2.5 && "east".equals(i.getMetadata().get("zone")));
        Instance changed = instance("10.0.1.1", 80);
        changed.setWeight(7);
        changed.setMetadata(Map.of("zone", "west"));
        operator.updateInstance(SERVICE, "shop", changed);
        awaitInstance(seen, i -> i.getWeight() == 7 && "west".equals(i.getMetadata().get("zone")));
        changed.setEnabled(false);
        operator.updateInstance(SERVICE, "shop", changed);
        eventually("nothing to select", () -> consumer.selectInstances(SERVICE, "shop", true).isEmpty());
        provider.registerInstance(SERVICE, "shop", instance("10.0.1.1", 80));
        check(consumer.selectInstances(SERVICE, "shop", true, false).isEmpty(), "an operator has disabled it");
        changed.setEnabled(true);
        operator.updateInstance(SERVICE, "shop", changed);
        eventually("it again", () -> consumer.selectInstances(SERVICE, "shop", true).size() == 1);
        same(SERVICE, operator.queryService(SERVICE, "shop").getName());
        provider.deregisterInstance(SERVICE, "shop", instance("10.0.1.1", 80));
        eventually("an end", () -> consumer.getAllInstances(SERVICE, "shop", false).isEmpty());
        ok("maintenance");
    }

    /** Waits until the list that came last is one instance as wanted. */
    private static void awaitInstance(BlockingQueue<List<Instance>> lists, Predicate<Instance> wanted) throws InterruptedException {
        List<Instance> got;
        do {
            got = next(lists, "an instance");
        } while (got.size() != 1 || !wanted.test(got.get(0)));
    }

    private static void batch(NamingService provider, NamingService consumer) throws Exception {
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        consumer.subscribe("batch", e -> seen.add(text(((NamingEvent) e).getInstances())));
        provider.batchRegisterInstance("batch", "DEFAULT_GROUP", List.of(instance("10.1.0.1", 1), instance("10.1.0.1", 2), instance("10.1.0.1", 3)));
        await(seen, "[10.1.0.1:1, 10.1.0.1:2, 10.1.0.1:3]");
        provider.batchDeregisterInstance("batch", "DEFAULT_GROUP", List.of(instance("10.1.0.1", 2)));
        await(seen, "[10.1.0.1:1, 10.1.0.1:3]");
        ok("batch");
    }

    private static void persistent(NamingService provider, NamingService consumer) throws Exception {
        Instance i = instance("10.1.0.9", 80);
        i.setEphemeral(false);
        provider.registerInstance("persistent", i);
        eventually("a persistent instance", () -> consumer.getAllInstances("persistent", false).size() == 1);
        check(!consumer.getAllInstances("persistent", false).get(0).isEphemeral(), "persistent");
        provider.deregisterInstance("persistent", i);
        eventually("its end", () -> consumer.getAllInstances("persistent", false).isEmpty());
        ok("persistent");
    }

    private static void providerLost(NamingService consumer) throws Exception {
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        consumer.subscribe("lost", e -> seen.add(text(((NamingEvent) e).getInstances())));
        NamingService doomed = NacosFactory.createNamingService(PROPERTIES);
        doomed.registerInstance("lost", instance("10.3.0.1", 80));
        await(seen, "[10.3.0.1:80]");
        // It ends its stream but often leaves its connection open: the server has to
        // notice that nobody is there any more.
        doomed.shutDown();
        String last;
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        do {
            last = seen.poll(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
            check(last != null, "the end of a client that was shut down");
        } while (!last.equals("[]"));
        ok("providerLost");
    }

    private static String md5(String s) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(s.getBytes(StandardCharsets.UTF_8)));
    }

    private static AbstractListener into(BlockingQueue<String> seen) {
        return new AbstractListener() {
            @Override
            public void receiveConfigInfo(String content) {
                seen.add(String.valueOf(content));
            }
        };
    }

    private static void config(ConfigService writer, ConfigService reader) throws Exception {
        same(null, reader.getConfig("app.yaml", "shop", 5000));
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        AbstractListener listener = into(seen);
        reader.addListener("app.yaml", "shop", listener);
        String first = "greeting: \u4f60\u597d\n";
        check(writer.publishConfig("app.yaml", "shop", first, ConfigType.YAML.getType()), "a publish");
        same(first, next(seen, "the first content"));
        same(first, reader.getConfig("app.yaml", "shop", 5000));
        if (NEWER) {
            check(!cas(writer, "app.yaml", "shop", "lost", md5("another")), "a publish on a stale md5");
            check(cas(writer, "app.yaml", "shop", "second", md5(first)), "a publish on the md5 that is stored");
        } else {
            check(writer.publishConfig("app.yaml", "shop", "second"), "a second publish");
        }
        same("second", next(seen, "the second content"));
        reader.removeListener("app.yaml", "shop", listener);
        check(writer.removeConfig("app.yaml", "shop"), "a removal");
        eventually("its end", () -> reader.getConfig("app.yaml", "shop", 5000) == null);
        ok("config");
    }

    private static boolean cas(ConfigService c, String dataId, String group, String content, String md5) throws Exception {
        try {
            return c.publishConfigCas(dataId, group, content, md5);
        } catch (NacosException refused) {
            return false;
        }
    }

    /** Names and contents that a careless way through HTTP would change. */
    private static void oddConfigs(ConfigService writer, ConfigService reader) throws Exception {
        String[][] odd = {
            {"-.:_", "_", "\u4f60\u597d \ud83d\ude00"},
            {"a:b.c_d-e", "G:1.x_y-z", "100% a+b&c=d?e#f;g/h\\i\"j'k<l>${m}"},
            {"lines", "shop", " first\r\nsecond\n\n\tthird \n"},
        };
        for (String[] o : odd) {
            BlockingQueue<String> seen = new LinkedBlockingQueue<>();
            reader.addListener(o[0], o[1], into(seen));
            check(writer.publishConfig(o[0], o[1], o[2]), o[0]);
            same(o[2], next(seen, o[0]));
            same(o[2], reader.getConfig(o[0], o[1], 5000));
            check(writer.removeConfig(o[0], o[1]), o[0]);
            eventually("its end", () -> reader.getConfig(o[0], o[1], 5000) == null);
        }
        ok("oddConfigs");
    }

    /** A listener may leave out a content that was replaced, but ends at the last one. */
    private static void manyChanges(ConfigService writer, ConfigService reader) throws Exception {
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        reader.addListener("many", "shop", into(seen));
        for (int i = 1; i <= 3; i++) {
            check(writer.publishConfig("many", "shop", "slow " + i), "a publish");
            await(seen, "slow " + i);
        }
        for (int i = 1; i <= 30; i++) {
            check(writer.publishConfig("many", "shop", "quick " + i), "a publish");
        }
        await(seen, "quick 30");
        ok("manyChanges");
    }

    /** The same config and service in another namespace are others. */
    private static void namespaces(ConfigService writer, ConfigService reader) throws Exception {
        Properties elsewhere = new Properties();
        elsewhere.putAll(PROPERTIES);
        elsewhere.setProperty(PropertyKeyConst.NAMESPACE, "elsewhere");
        ConfigService other = NacosFactory.createConfigService(elsewhere);
        NamingService naming = NacosFactory.createNamingService(elsewhere);
        check(writer.publishConfig("here", "shop", "here"), "a publish");
        same(null, other.getConfig("here", "shop", 5000));
        check(other.publishConfig("here", "shop", "there"), "a publish in the other namespace");
        same("there", other.getConfig("here", "shop", 5000));
        same("here", reader.getConfig("here", "shop", 5000));
        naming.registerInstance("orders", "shop", instance("10.9.0.1", 80));
        eventually("an instance there", () -> text(naming.selectInstances("orders", "shop", true, false)).equals("[10.9.0.1:80]"));
        other.shutDown();
        naming.shutDown();
        ok("namespaces");
    }

    private static void largeConfig(ConfigService writer, ConfigService reader) throws Exception {
        String large = "0123456789".repeat(100_000);
        check(writer.publishConfig("large", "shop", large), "a publish of a megabyte");
        same(large, reader.getConfig("large", "shop", 5000));
        ok("largeConfig");
    }

    private static void restart(NamingService provider, NamingService consumer, ConfigService writer, ConfigService reader) throws Exception {
        BlockingQueue<String> lists = new LinkedBlockingQueue<>();
        BlockingQueue<String> contents = new LinkedBlockingQueue<>();
        consumer.subscribe("kept", e -> lists.add(text(((NamingEvent) e).getInstances())));
        provider.registerInstance("kept", instance("10.4.0.1", 80));
        await(lists, "[10.4.0.1:80]");
        writer.publishConfig("kept", "shop", "before");
        reader.addListener("kept", "shop", into(contents));
        Steps.pause("please restart");
        await(contents, "meanwhile");
        eventually("the server", () -> "UP".equals(provider.getServerStatus()) && "meanwhile".equals(reader.getConfig("kept", "shop", 2000)));
        eventually("the instance", () -> text(consumer.getAllInstances("kept", false)).equals("[10.4.0.1:80]"));
        NamingService another = NacosFactory.createNamingService(PROPERTIES);
        another.registerInstance("kept", instance("10.4.0.2", 80));
        await(lists, "[10.4.0.1:80, 10.4.0.2:80]");
        eventually("a publish", () -> writer.publishConfig("kept", "shop", "after"));
        await(contents, "after");
        ok("restart");
    }
}
