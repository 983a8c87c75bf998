package io.zensus.interop;

import java.util.Map;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.MetadataReportConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

/** A Dubbo provider. Arguments: REGISTRY-URL PORT NAME. It serves until it is killed. */
public final class DubboProvider {
    public static void main(String[] args) throws Exception {
        ServiceConfig<Greeter> service = new ServiceConfig<>();
        service.setInterface(Greeter.class);
        service.setRef(who -> args[2] + " greets " + who);
        service.setWeight(1); // what providers in Go have, which calls are shared out to beside this one
        ApplicationConfig app = new ApplicationConfig("greeter-app");
        app.setQosEnable(false);
        DubboBootstrap dubbo = DubboBootstrap.getInstance().application(app);
        if (args[0].startsWith("nacos:")) {
            // Consumers in Go cannot read what a provider in Java says of itself when asked: it
            // leaves that in the metadata center.
            app.setMetadataType("remote");
            dubbo.metadataReport(new MetadataReportConfig(args[0]));
        }
        ProtocolConfig protocol = new ProtocolConfig("dubbo", Integer.parseInt(args[1]));
        protocol.setHost("127.0.0.1");
        RegistryConfig registry = new RegistryConfig(args[0]);
        registry.setTimeout(20_000);
        registry.setParameters(Map.of("session", "6000"));
        dubbo.protocol(protocol).registry(registry).service(service).start();
        Steps.ok("provider " + args[2]);
        Thread.currentThread().join();
    }
}
