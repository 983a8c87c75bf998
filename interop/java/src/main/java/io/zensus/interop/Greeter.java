package io.zensus.interop;

/** What the Dubbo provider offers. */
public interface Greeter {
    String greet(String name);
}
