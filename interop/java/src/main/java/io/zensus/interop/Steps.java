package io.zensus.interop;

import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** What the programs say to the test that started them. */
final class Steps {
    static final int WAIT_SECONDS = 20;

    private Steps() {}

    /** Says that a step held. */
    static void ok(String step) {
        say("ok " + step);
    }

    static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    static void check(boolean holds, Object what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    static void same(Object want, Object got) {
        if (!Objects.equals(want, got)) {
            throw new AssertionError("want " + want + ", got " + got);
        }
    }

    static void eventually(String what, Callable<Boolean> holds) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_SECONDS);
        while (!holds.call()) {
            check(System.nanoTime() < deadline, "not within " + WAIT_SECONDS + " s: " + what);
            Thread.sleep(20);
        }
    }

    static <T> T next(BlockingQueue<T> queue, String what) throws InterruptedException {
        T got = queue.poll(WAIT_SECONDS, TimeUnit.SECONDS);
        check(got != null, "nothing came within " + WAIT_SECONDS + " s: " + what);
        return got;
    }

    interface Act {
        void run() throws Exception;
    }

    /** Demands that an act fails with a kind of exception, which it returns. */
    static <E extends Exception> E fails(Class<E> kind, Act act) throws Exception {
        try {
            act.run();
        } catch (Exception e) {
            if (kind.isInstance(e)) {
                return kind.cast(e);
            }
            throw e;
        }
        throw new AssertionError("no " + kind.getSimpleName());
    }

    /** Waits for a line of the test. */
    static void pause(String word) throws java.io.IOException {
        say(word);
        int c;
        do {
            c = System.in.read();
        } while (c >= 0 && c != '\n');
    }
}
