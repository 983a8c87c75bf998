package interop

import (
	"strconv"
	"testing"
	"time"

	"github.com/zensus-io/zensus/internal/testkit"
)

func startDubboProvider(t *testing.T, registry, name string) *program {
	t.Helper()
	p := startJava(t, 3*time.Minute, classpath(t), "-Duser.home="+t.TempDir(), javaPackage+"DubboProvider", registry, strconv.Itoa(testkit.FreePort(t)), name)
	p.expect("ok provider " + name)
	return p
}

// callsFollowProviders plays a consumer whose providers come, go and outlive a
// crash of the registry.
func callsFollowProviders(t *testing.T, s *testkit.Server, registry, migration string) {
	t.Helper()
	one := startDubboProvider(t, registry, "one")
	consumer := startJava(t, 3*time.Minute, classpath(t), "-Duser.home="+t.TempDir(), javaPackage+"DubboConsumer", registry, migration)
	consumer.expect("ready")
	hears := func(names string) {
		t.Helper()
		before := consumer.out.count("ok " + names)
		consumer.say(names)
		consumer.expectTimes("ok "+names, before+1)
	}
	hears("one")
	startDubboProvider(t, registry, "two")
	hears("one,two")
	one.kill()
	hears("two")
	s.Kill()
	hears("two") // who knows his provider needs no registry
	s.Restart()
	startDubboProvider(t, registry, "three")
	hears("three,two")
}

func TestDubboCallsProvidersFoundByInterfaceInZooKeeper(t *testing.T) {
	t.Parallel()
	classpath(t)
	s := testkit.Start(t, testkit.Options{})
	callsFollowProviders(t, s, "zookeeper://"+s.ZooKeeper, "FORCE_INTERFACE")
}

func TestDubboCallsProvidersFoundByApplicationInZooKeeper(t *testing.T) {
	t.Parallel()
	classpath(t)
	s := testkit.Start(t, testkit.Options{})
	callsFollowProviders(t, s, "zookeeper://"+s.ZooKeeper, "FORCE_APPLICATION")
}

func TestDubboCallsProvidersFoundByInterfaceInNacos(t *testing.T) {
	t.Parallel()
	classpath(t)
	s := testkit.Start(t, testkit.Options{Nacos: true})
	callsFollowProviders(t, s, "nacos://"+s.HTTP, "FORCE_INTERFACE")
}

func TestDubboCallsProvidersFoundByApplicationInNacos(t *testing.T) {
	t.Parallel()
	classpath(t)
	s := testkit.Start(t, testkit.Options{Nacos: true})
	callsFollowProviders(t, s, "nacos://"+s.HTTP, "FORCE_APPLICATION")
}
