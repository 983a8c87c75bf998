package io.zensus.interop;

import static io.zensus.interop.Steps.eventually;
import static io.zensus.interop.Steps.ok;

import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;
import org.apache.dubbo.rpc.model.ApplicationModel;

/**
 * A Dubbo consumer. Arguments: REGISTRY-URL MIGRATION-STEP. Each line NAMES that it
 * reads is the set of providers it is to hear answers of, and only those; a line
 * "call SECONDS" is for calling all the time, none of which may fail. From a line "watch" on
 * it calls until it is killed, and says what it sees: a line "list NAMES" when others answer
 * than before, in which a call that failed is an answer of nobody, and a line "config CONTENT"
 * for each change of the config "watched.properties", group "dubbo", of its config center.
 */
public final class DubboConsumer {
    private static Greeter greeter;

    public static void main(String[] args) throws Exception {
        ReferenceConfig<Greeter> reference = new ReferenceConfig<>();
        reference.setInterface(Greeter.class);
        reference.setCheck(false);
        reference.setRetries(0);
        reference.setTimeout(2000);
        reference.setLoadbalance("roundrobin");
        ApplicationConfig app = new ApplicationConfig("consumer-app");
        app.setQosEnable(false);
        app.setParameters(Map.of("migration.step", args[1]));
        RegistryConfig registry = new RegistryConfig(args[0]);
        registry.setTimeout(20_000);
        DubboBootstrap.getInstance().application(app).registry(registry).reference(reference).start();
        greeter = reference.get();
        Steps.say("ready");
        var in = new java.io.BufferedReader(new java.io.InputStreamReader(System.in, java.nio.charset.StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            if (line.startsWith("call ")) {
                call(Integer.parseInt(line.substring(5)));
                continue;
            }
            if (line.equals("watch")) {
                watch();
            }
            Set<String> want = new TreeSet<>(Set.of(line.trim().split(",")));
            eventually("answers of " + want, () -> want.equals(round()));
            ok(line.trim());
        }
        System.exit(0);
    }

    /** Calls for some seconds, and says how often, or which call failed. */
    private static void call(int seconds) throws InterruptedException {
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        int calls = 0;
        try {
            for (; System.nanoTime() < end; calls++) {
                greeter.greet("you");
                Thread.sleep(5);
            }
        } catch (org.apache.dubbo.rpc.RpcException e) {
            Steps.say("call " + calls + " failed: " + e);
            return;
        }
        if (calls < seconds) {
            Steps.say("only " + calls + " calls");
            return;
        }
        ok("calls");
    }

    private static void watch() throws InterruptedException {
        ApplicationModel.defaultModel().modelEnvironment().getDynamicConfiguration().orElseThrow().addListener(
                "watched.properties", "dubbo", change -> Steps.say("config " + change.getContent()));
        ok("watcher");
        Set<String> last = Set.of();
        for (;; Thread.sleep(20)) {
            Set<String> now = round();
            if (!now.equals(last)) {
                Steps.say("list " + String.join(",", now));
                last = now;
            }
        }
    }

    /** Who answers ten calls. A call that fails is an answer of nobody. */
    private static Set<String> round() throws InterruptedException {
        Set<String> names = new TreeSet<>();
        for (int i = 0; i < 10; i++) {
            try {
                names.add(greeter.greet("you").split(" ")[0]);
            } catch (org.apache.dubbo.rpc.RpcException e) {
                Steps.say("a call failed: " + e);
                names.add("nobody");
            }
        }
        return names;
    }
}
