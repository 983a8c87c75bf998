package io.zensus.interop;

import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.PropertyKeyConst;
import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.config.listener.AbstractListener;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import java.util.Properties;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * A client of Nacos, of whatever version the class path brings, that registers one instance
 * of the service "watched", and then says what it hears until it is killed: a line "list
 * IP,IP,..." for each list of that service, and a line "config CONTENT" for each change of
 * the config "watched.properties", group "dubbo". Arguments: ADDRESSES IP.
 */
public final class NacosWatcher {
    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.setProperty(PropertyKeyConst.SERVER_ADDR, args[0]);
        properties.setProperty(PropertyKeyConst.CONFIG_LONG_POLL_TIMEOUT, "10000");
        NamingService naming = NacosFactory.createNamingService(properties);
        ConfigService config = NacosFactory.createConfigService(properties);
        naming.registerInstance("watched", args[1], 80);
        naming.subscribe("watched", e -> Steps.say("list " + ((NamingEvent) e).getInstances().stream()
                .map(i -> i.getIp()).collect(Collectors.toCollection(TreeSet::new)).stream().collect(Collectors.joining(","))));
        config.addListener("watched.properties", "dubbo", new AbstractListener() {
            @Override
            public void receiveConfigInfo(String content) {
                Steps.say("config " + content);
            }
        });
        Steps.ok("watcher");
        Thread.currentThread().join();
    }
}
