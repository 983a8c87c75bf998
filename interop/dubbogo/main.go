// Command dubbogo is a provider or a consumer of dubbo-go, with Nacos as its registry,
// metadata center and config center.
//
// Usage: dubbogo provider|consumer HOST:PORT[,HOST:PORT...] interface|application NAME PORT
//
// HOST:PORT is the server, or several are, and then comes the level on which providers are found. A
// provider answers as NAME at PORT and says "ok provider NAME" when it serves. A consumer
// does as the Java program beside it does: each line that it reads is the set of names it
// is to hear answers of, and only those; a line "call SECONDS" is for calling all the time,
// none of which may fail, and from a line "watch" on it calls and says what it sees, as the
// Java program. The command "dubbogo version" says which version of dubbo-go it is. Both get what else they need of the config "NAME.yaml", group
// "dubbo", of the server, as dubbo-go reads it.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"dubbo.apache.org/dubbo-go/v3"
	"dubbo.apache.org/dubbo-go/v3/client"
	_ "dubbo.apache.org/dubbo-go/v3/cluster/cluster/failfast"
	_ "dubbo.apache.org/dubbo-go/v3/cluster/cluster/failover"
	_ "dubbo.apache.org/dubbo-go/v3/cluster/cluster/zoneaware"
	_ "dubbo.apache.org/dubbo-go/v3/cluster/loadbalance/random"
	_ "dubbo.apache.org/dubbo-go/v3/cluster/loadbalance/roundrobin"
	_ "dubbo.apache.org/dubbo-go/v3/cluster/router/condition"
	env "dubbo.apache.org/dubbo-go/v3/common/config"
	"dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/config"
	"dubbo.apache.org/dubbo-go/v3/config_center"
	_ "dubbo.apache.org/dubbo-go/v3/config_center/nacos"
	_ "dubbo.apache.org/dubbo-go/v3/filter/accesslog"
	_ "dubbo.apache.org/dubbo-go/v3/filter/echo"
	_ "dubbo.apache.org/dubbo-go/v3/filter/exec_limit"
	_ "dubbo.apache.org/dubbo-go/v3/filter/generic"
	_ "dubbo.apache.org/dubbo-go/v3/filter/graceful_shutdown"
	_ "dubbo.apache.org/dubbo-go/v3/filter/token"
	_ "dubbo.apache.org/dubbo-go/v3/filter/tps"
	"dubbo.apache.org/dubbo-go/v3/global"
	"dubbo.apache.org/dubbo-go/v3/metadata"
	_ "dubbo.apache.org/dubbo-go/v3/metadata/mapping/metadata"
	_ "dubbo.apache.org/dubbo-go/v3/metadata/report/nacos"
	"dubbo.apache.org/dubbo-go/v3/protocol"
	_ "dubbo.apache.org/dubbo-go/v3/protocol/dubbo"
	_ "dubbo.apache.org/dubbo-go/v3/protocol/triple"
	_ "dubbo.apache.org/dubbo-go/v3/proxy/proxy_factory"
	"dubbo.apache.org/dubbo-go/v3/registry"
	_ "dubbo.apache.org/dubbo-go/v3/registry/directory"
	_ "dubbo.apache.org/dubbo-go/v3/registry/nacos"
	_ "dubbo.apache.org/dubbo-go/v3/registry/protocol"
	_ "dubbo.apache.org/dubbo-go/v3/registry/servicediscovery"
	"dubbo.apache.org/dubbo-go/v3/server"
)

// greeterInterface is the Java interface that both sides speak of.
const greeterInterface = "io.zensus.interop.Greeter"

const waitTime = 30 * time.Second

// callTime is how long a call may take. The timeout that dubbo-go is given does not bound one
// whose provider dies meanwhile: that may never return, though the provider is known to be gone.
const callTime = 5 * time.Second

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println("dubbo-go", constant.Version)
		return
	}
	if len(os.Args) != 6 {
		fail(errors.New("usage: dubbogo provider|consumer HOST:PORT interface|application NAME PORT"))
	}
	addr, level, name := os.Args[2], os.Args[3], os.Args[4]
	port, err := strconv.Atoi(os.Args[5])
	if err != nil {
		fail(err)
	}
	application := "greeter-app" // as the Java program beside it
	if os.Args[1] == "consumer" {
		application = "consumer-app"
	}
	place := registry.WithRegisterInterface()
	if level == "application" {
		place = registry.WithRegisterService()
	}
	options := []dubbo.InstanceOption{
		dubbo.WithName(application),
		dubbo.WithRemoteMetadata(),
		dubbo.WithRegistry(registry.WithID("center"), registry.WithNacos(), registry.WithAddress(addr), place),
		dubbo.WithMetadataReport(metadata.WithNacos(), metadata.WithAddress(addr)),
		dubbo.WithConfigCenter(
			config_center.WithNacos(), config_center.WithAddress(addr), config_center.WithDataID(name+".yaml"),
			config_center.WithGroup("dubbo"), config_center.WithFileExtYaml(),
		),
	}
	if os.Args[1] == "provider" {
		// At the address that the machine has for others: Dubbo takes 127.0.0.1 for that anyway.
		provide(append(options, dubbo.WithProtocol(protocol.WithDubbo(), protocol.WithPort(port))), name)
		return
	}
	consume(options)
}

// newInstance also takes away the empty default that this version has for TLS: in the dubbo
// protocol it would take that for the wish to speak it.
func newInstance(options []dubbo.InstanceOption) *dubbo.Instance {
	instance, err := dubbo.NewInstance(options...)
	if err != nil {
		fail(err)
	}
	config.GetRootConfig().TLSConfig = nil
	return instance
}

func fail(err error) {
	fmt.Println("failed:", err)
	os.Exit(1)
}

// Greeter is the service. dubbo-go wants the type to be exported.
type Greeter struct{ name string }

func (g *Greeter) Greet(_ context.Context, who string) (string, error) {
	return g.name + " greets " + who, nil
}

// Reference names the interface for dubbo-go.
func (g *Greeter) Reference() string { return greeterInterface }

// MethodMapper gives the method its Java name.
func (g *Greeter) MethodMapper() map[string]string { return map[string]string{"Greet": "greet"} }

func provide(options []dubbo.InstanceOption, name string) {
	instance := newInstance(options)
	weighed := global.DefaultProviderConfig()
	weighed.Weight = 1 // of 0, which this version has, nobody calls a provider beside others
	s, err := instance.NewServer(server.SetServerTLS(nil), server.SetServerProvider(weighed))
	if err == nil {
		err = s.RegisterService(&Greeter{name}, server.WithInterface(greeterInterface))
	}
	if err != nil {
		fail(err)
	}
	go func() { fail(s.Serve()) }()
	fmt.Println("ok provider " + name)
	select {}
}

func consume(options []dubbo.InstanceOption) {
	instance := newInstance(options)
	c, err := instance.NewClient(client.SetClientTLS(nil), client.WithClientProtocolDubbo(), client.WithClientNoCheck(), client.WithClientLoadBalanceRoundRobin(),
		client.WithClientSerialization("hessian2"), client.WithClientRequestTimeout(2*time.Second), client.WithClientRetries(0))
	if err != nil {
		fail(err)
	}
	conn, err := c.Dial(greeterInterface)
	if err != nil {
		fail(err)
	}
	type result struct {
		name string
		err  error
	}
	greet := func() (string, error) {
		done := make(chan result, 1)
		go func() {
			var answer string
			err := conn.CallUnary(context.Background(), []any{"you"}, &answer, "greet")
			name, _, _ := strings.Cut(answer, " ")
			done <- result{name, err}
		}()
		select {
		case r := <-done:
			return r.name, r.err
		case <-time.After(callTime):
			return "", errors.New("it did not return")
		}
	}
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		line := strings.TrimSpace(in.Text())
		if seconds, found := strings.CutPrefix(line, "call "); found {
			n, err := strconv.Atoi(seconds)
			if err != nil {
				fail(err)
			}
			callFor(time.Duration(n)*time.Second, greet)
			continue
		}
		if line == "watch" {
			watch(greet)
		}
		want := strings.Split(line, ",")
		slices.Sort(want)
		heard := round(greet, 10)
		for deadline := time.Now().Add(waitTime); !slices.Equal(heard, want); heard = round(greet, 10) {
			if time.Now().After(deadline) {
				fail(fmt.Errorf("want answers of %v, got those of %v", want, heard))
			}
			time.Sleep(20 * time.Millisecond)
		}
		fmt.Println("ok " + line)
	}
}

// changes says what a config has become.
type changes struct{}

func (changes) Process(e *config_center.ConfigChangeEvent) { fmt.Println("config", e.Value) }

// watchedCalls are so many that each of two providers answers one of them, even where they are
// chosen at random: what a provider in Go says of itself makes dubbo-go do so.
const watchedCalls = 40

// watch calls until the program is killed. What the directory of providers adds and deletes
// is in the log of dubbo-go beside what is said here.
func watch(greet func() (string, error)) {
	center := env.GetEnvInstance().GetDynamicConfiguration()
	if center == nil {
		fail(errors.New("no config center"))
	}
	center.AddListener("watched.properties", changes{}) // of the group "dubbo", which is that of the config center
	fmt.Println("ok watcher")
	for last := ""; ; time.Sleep(20 * time.Millisecond) {
		if now := strings.Join(round(greet, watchedCalls), ","); now != last {
			fmt.Println("list", now)
			last = now
		}
	}
}

// round is who answers some calls, in order. A call that fails is an answer of nobody.
func round(greet func() (string, error), calls int) []string {
	var names []string
	for range calls {
		name, err := greet()
		if err != nil {
			fmt.Println("a call failed:", err)
			name = "nobody"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// callFor calls for a time, and says which call failed, if one does.
func callFor(d time.Duration, greet func() (string, error)) {
	calls := 0
	for end := time.Now().Add(d); time.Now().Before(end); calls++ {
		if _, err := greet(); err != nil {
			fmt.Printf("call %d failed: %v\n", calls, err)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	fmt.Println("ok calls")
}
