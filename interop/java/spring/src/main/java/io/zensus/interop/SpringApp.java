package io.zensus.interop;

import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.event.ApplicationReadyEvent;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.cloud.client.loadbalancer.LoadBalanced;
import org.springframework.cloud.context.config.annotation.RefreshScope;
import org.springframework.context.annotation.Bean;
import org.springframework.context.event.EventListener;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.stereotype.Component;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestClient;

/**
 * An application of Spring Boot with Spring Cloud Alibaba: it registers, finds others, and
 * has its configuration from Nacos. What it is asked over HTTP:
 *
 * <p>/whoami says its name and port; /call/NAME asks /whoami of an application, found and
 * chosen by the load balancer; /config says what two ways of injection have got of the
 * configuration; /services says what is registered.
 *
 * <p>With the setting watch=SERVICE it also says what it sees, by itself: a line "list IP,IP,..."
 * when the instances of that service are others than before, a line "config greeting.word=WORD" when
 * it has got another word, and "a call failed: ..." when a call of the application that it is itself,
 * found and chosen by the load balancer, was not answered.
 */
@SpringBootApplication
@EnableConfigurationProperties(SpringApp.Greeting.class)
public class SpringApp {
    public static void main(String[] args) {
        SpringApplication.run(SpringApp.class, args);
    }

    /** Bound anew when the configuration changes. */
    @ConfigurationProperties("greeting")
    public static class Greeting {
        private String word = "unset";
        private int times;

        public String getWord() {
            return word;
        }

        public void setWord(String word) {
            this.word = word;
        }

        public int getTimes() {
            return times;
        }

        public void setTimes(int times) {
            this.times = times;
        }
    }

    /** Made anew when the configuration changes. */
    @RefreshScope
    @RestController
    static class ConfigSeen {
        private final Greeting greeting;
        private final String word;
        private final String shared;

        ConfigSeen(Greeting greeting, @Value("${greeting.word:unset}") String word, @Value("${shared.word:unset}") String shared) {
            this.greeting = greeting;
            this.word = word;
            this.shared = shared;
        }

        @GetMapping("/config")
        Map<String, Object> config() {
            return Map.of("bound", greeting.getWord(), "times", greeting.getTimes(), "value", word, "shared", shared);
        }
    }

    @RestController
    static class Calls {
        private final DiscoveryClient discovery;
        private final RestClient.Builder client;
        private final String me;

        Calls(DiscoveryClient discovery, RestClient.Builder client, @Value("${spring.application.name}:${server.port}") String me) {
            this.discovery = discovery;
            this.client = client;
            this.me = me;
        }

        @GetMapping("/whoami")
        String whoami() {
            return me;
        }

        @GetMapping("/call/{name}")
        String call(@PathVariable String name) {
            return client.build().get().uri("http://" + name + "/whoami").retrieve().body(String.class);
        }

        @GetMapping("/services")
        List<String> services() {
            return discovery.getServices();
        }
    }

    @Component
    @ConditionalOnProperty("watch")
    static class Watcher {
        private final DiscoveryClient discovery;
        private final Greeting greeting;
        private final Calls calls;
        private final String me;
        private final String watched;

        Watcher(DiscoveryClient discovery, Greeting greeting, Calls calls, @Value("${spring.application.name}") String me,
                @Value("${watch}") String watched) {
            this.discovery = discovery;
            this.greeting = greeting;
            this.calls = calls;
            this.me = me;
            this.watched = watched;
        }

        @EventListener(ApplicationReadyEvent.class)
        void begin() {
            say("instances", () -> "list " + discovery.getInstances(watched).stream().map(i -> i.getHost()).sorted()
                    .collect(Collectors.joining(",")));
            say("config", () -> "config greeting.word=" + greeting.getWord());
            say("calls", () -> {
                calls.call(me);
                return "called";
            });
            System.out.println("ok watcher");
        }

        /** Looks all the time, and says what it finds when that is another thing than before. */
        private static void say(String name, Callable<String> look) {
            Thread thread = new Thread(() -> {
                String last = "";
                for (;;) {
                    String now;
                    try {
                        now = look.call();
                        Thread.sleep(20);
                    } catch (Exception e) {
                        now = (name.equals("calls") ? "a call failed: " : "asked in vain: ") + e;
                    }
                    if (!now.equals(last)) {
                        System.out.println(now);
                        System.out.flush();
                        last = now;
                    }
                }
            }, name);
            thread.setDaemon(true);
            thread.start();
        }
    }

    @Bean
    @LoadBalanced
    RestClient.Builder restClientBuilder() {
        return RestClient.builder();
    }
}
