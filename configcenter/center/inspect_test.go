package center_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
)

const ports = `{"type": "object", "properties": {"port": {"type": "integer"}}}`

// startAs runs a Center that is as strict as that, and tells what it logs and counts.
func startAs(t *testing.T, s center.Strictness) (c *center.Center, logged *bytes.Buffer, counted func() float64) {
	t.Helper()
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{Timeout: 30 * time.Second, KeepAlive: true})
	if err != nil {
		t.Fatal(err)
	}
	logged = &bytes.Buffer{}
	registry := prometheus.NewRegistry()
	c, err = center.New(center.Config{Client: client, Strictness: s, Logger: slog.New(slog.NewTextHandler(logged, nil)), Registerer: registry})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		client.Close()
	})
	return c, logged, func() (sum float64) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "zensus_config_faulty_total" {
				for _, m := range f.GetMetric() {
					sum += m.GetCounter().GetValue()
				}
			}
		}
		return sum
	}
}

func wish(dataID, content, typ, schema string) *configcenter.Publish {
	return &configcenter.Publish{Key: key(dataID), Content: content, KeepSchema: schema == "", Attributes: configcenter.Attributes{Type: typ, Schema: schema}}
}

func refused(t *testing.T, err error, what string) {
	t.Helper()
	if !errors.Is(err, configcenter.ErrInvalid) || !strings.Contains(err.Error(), what) {
		t.Errorf("got %v, want a refusal with %q", err, what)
	}
}

func TestAContentThatIsNotWhatItsTypeSaysIsRefusedOnEveryWay(t *testing.T) {
	c, _, counted := startAs(t, "")
	ctx := t.Context()
	const broken, why = "a: 1\nb: c: d\n", "content is not valid yaml: line 2, column 5: mapping values are not allowed"
	_, err := c.Publish(ctx, wish("a", broken, "YAML", ""))
	refused(t, err, why)
	_, err = c.PublishGray(ctx, &configcenter.GrayPublish{Name: "beta", Rule: configcenter.BetaRule("10.0.0.1"), Publish: *wish("a", broken, "yaml", "")})
	refused(t, err, why)
	done, err := c.BringIn(ctx, []configcenter.Publish{*wish("b", "a: 1", "yaml", ""), *wish("a", broken, "yaml", "")}, center.Overwrite)
	refused(t, err, "public/g/a: "+why)
	if done.Written != 0 || c.Len() != 0 {
		t.Errorf("written: %+v, %d configs", done, c.Len())
	}
	if n := counted(); n != 2 {
		t.Errorf("counted %v", n)
	}
	// Nothing is brought in either for a schema that one of them has already.
	bound := wish("bound", `{"a":1}`, "json", `{"required":["a"]}`)
	if _, err := c.Publish(ctx, bound); err != nil {
		t.Fatal(err)
	}
	unfit := wish("bound", `{"b":1}`, "json", "")
	unfit.KeepSchema = true
	if done, err := c.BringIn(ctx, []configcenter.Publish{*wish("first", "a: 1", "yaml", ""), *unfit}, center.Overwrite); err == nil || done.Written != 0 {
		t.Errorf("brought in: %+v, %v", done, err)
	}
	for _, p := range []*configcenter.Publish{
		wish("text", broken, "", ""), wish("text", broken, "text", ""), wish("html", "<p>", "html", ""), wish("good", "a: 1", "yaml", ""),
		{Key: key("cipher"), Content: "Zm9v:", Attributes: configcenter.Attributes{Type: "json", EncryptedDataKey: "k"}},
	} {
		if _, err := c.Publish(ctx, p); err != nil {
			t.Errorf("%s: %v", p.Key.DataID, err)
		}
	}
}

func TestAVersionThatWasPublishedUncheckedIsLookedAtWhenItComesBack(t *testing.T) {
	fake := coretest.NewFake()
	client, err := fake.Open(t.Context(), core.SessionOptions{Timeout: 30 * time.Second, KeepAlive: true})
	if err != nil {
		t.Fatal(err)
	}
	lax, err := center.New(center.Config{Client: client, Strictness: center.Off})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- lax.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	strict := start(t, fake, configcenter.Limits{})
	for _, p := range []*configcenter.Publish{wish("a", "{", "json", ""), wish("a", "{}", "json", "")} {
		if _, err := lax.Publish(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	g := &configcenter.GrayPublish{Name: "some", Rule: configcenter.TagRule("x"), Publish: *wish("a", "[", "json", "")}
	if _, err := lax.PublishGray(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	_, err = strict.Rollback(t.Context(), &center.Rollback{Key: key("a"), Seq: 1})
	refused(t, err, "line 1, column 2: unexpected end of JSON input")
	_, err = strict.Promote(t.Context(), key("a"), "some", configcenter.Origin{})
	refused(t, err, "line 1, column 2: unexpected end of JSON input")
}

func TestWhoOnlyWarnsPublishesAndTells(t *testing.T) {
	c, logged, counted := startAs(t, center.Warn)
	if _, err := c.Publish(t.Context(), wish("a", "{\"password\": secret}", "json", "")); err != nil {
		t.Fatal(err)
	}
	if text := logged.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "data_id=a type=json line=1 column=14") || strings.Contains(text, "secret") {
		t.Errorf("logged: %s", text)
	}
	if n := counted(); n != 1 {
		t.Errorf("counted %v", n)
	}
	_, err := c.Publish(t.Context(), wish("b", `{"port": "x"}`, "json", ports))
	refused(t, err, "content is not valid json that fits its schema: line 1, column 10: got string, want integer (at /port)")
}

func TestASchemaBindsHoweverStrictTheCenterIs(t *testing.T) {
	c, _, _ := startAs(t, center.Off)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const wrong = "got string, want integer (at /port)"
	_, err := c.Publish(ctx, wish("a", "a: b: c", "yaml", ""))
	must(err) // without one nothing is looked at
	_, err = c.Publish(ctx, wish("a", "port: 1", "yaml", ports))
	must(err)
	_, err = c.Publish(ctx, wish("a", "port: x", "", "")) // says nothing of a schema
	refused(t, err, wrong)
	_, err = c.Publish(ctx, wish("a", "<p>", "html", "")) // another type is said: there is nothing to compare
	must(err)
	_, err = c.Publish(ctx, wish("a", "port: 1", "yaml", ""))
	must(err)
	it, err := c.Publish(ctx, wish("a", "port: 2", "text", ""))
	must(err)
	if it.Schema != ports || it.Type != "yaml" {
		t.Errorf("of type %s, with the schema %q", it.Type, it.Schema)
	}
	gray := func(content, schema string) error {
		_, err := c.PublishGray(ctx, &configcenter.GrayPublish{Name: "some", Rule: configcenter.TagRule("x"), Publish: *wish("a", content, "", schema)})
		return err
	}
	refused(t, gray("port: x", ""), wrong)
	must(gray("port: 3", ""))
	_, err = c.Promote(ctx, key("a"), "some", configcenter.Origin{})
	must(err)
	if it, err = c.Get(ctx, key("a")); err != nil || it.Schema != ports || it.Content != "port: 3" {
		t.Errorf("promoted: %+v, %v", it, err)
	}
	must(gray("port: 4", ""))
	_, err = c.Publish(ctx, wish("a", "port: z", "yaml", `{"properties": {"port": {"type": "string"}}}`))
	must(err)
	_, err = c.Promote(ctx, key("a"), "some", configcenter.Origin{})
	refused(t, err, "got number, want string")
	_, err = c.Rollback(ctx, &center.Rollback{Key: key("a"), Seq: 2}) // comes with the schema of then
	must(err)
	_, err = c.Publish(ctx, wish("a", "port: 5", "yaml", `{"type": 5}`))
	refused(t, err, "schema is no JSON Schema")
	p := wish("a", "port: x", "yaml", "")
	p.KeepSchema = false // it is taken off
	_, err = c.Publish(ctx, p)
	must(err)
	_, err = c.Publish(ctx, wish("note", "port: x", "yaml", "see the wiki"))
	must(err)
	if _, err := c.Publish(ctx, wish("text", "port: x", "text", ports)); err != nil {
		t.Errorf("a type that is not compared: %v", err)
	}
}
