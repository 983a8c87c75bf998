package nacosapi_test

import (
	"encoding/json"
	"os"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/nacosapi"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/internal/testkit"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		testkit.Cleanup()
		os.Exit(code)
	}))
}

var engines testkit.Engines

// TestOnApacheZooKeeper runs the tests that need nothing of a Fake on a backend.
func TestOnApacheZooKeeper(t *testing.T) {
	engines.RunOnApache(t,
		TestTheGuardLooksAtTheNamespaceThatCounts,
		TestALongPollMayNameOnlyWhatItsUserMayRead,
		TestPublishQueryAndRemoveOverGRPC,
		TestAListenerIsToldWithItsOwnTenant,
		TestAChangeThatIsNotAcknowledgedIsPushedAgain,
		TestAClientThatAcknowledgesAndForgetsIsToldAgain,
		TestOurOwnClientIsToldTheZxid,
		TestContentThatJSONCannotCarryIsRefusedOverGRPC,
		TestConfigsAreWatchedByAPattern,
		TestManyConfigsThatMatchComeInParts,
		TestNobodyHearsOfConfigsThatHeMayNotRead,
		TestV1PublishGetDelete,
		TestV1TakesContentOfTenMebibytes,
		TestV1LongPoll,
		TestV1SearchAndDeleteByID,
		TestV1History,
		TestV2AnswersInEnvelopes,
		TestV3,
		TestABetaReachesItsClientsOnly,
		TestATagReachesItsClientsOnly,
		TestGrayVersionsByLabelAndPercentage,
		TestAGrayReleaseIsPushedToItsClients,
		TestConfigsAreExportedAndImportedAgain,
		TestWhatIsThereAlreadyIsTreatedAsThePolicySays,
		TestConfigsAreCloned)
}

func TestPublishQueryAndRemoveOverGRPC(t *testing.T) {
	c := dial(t, startNode(t, engines.New(t)).addr, nil, false)
	if r := c.query("a"); r.ResultCode != 500 || r.ErrorCode != 300 || r.Message != "config data not exist" || r.Tag != "" {
		t.Errorf("missing: %+v", r)
	}
	if r := c.publish("a", "k: v", ""); !r.OK() || !r.Success || r.ErrorCode != 0 {
		t.Fatalf("publish: %+v", r)
	}
	if r := c.query("a"); !r.OK() || r.Content != "k: v" || r.MD5 != *sum("k: v") || r.ContentType != "yaml" || r.LastModified == 0 {
		t.Errorf("own write: %+v", r)
	}
	if r := c.publish("a", "x", "0"); r.ResultCode != 500 || r.ErrorCode != 500 || r.Message != "Cas publish fail, server md5 may have changed." {
		t.Errorf("cas mismatch: %+v", r)
	}
	if r := c.publish("a", "x", *sum("k: v")); !r.OK() {
		t.Errorf("cas: %+v", r)
	}
	if r := c.publish("new", "x", "0"); !r.OK() {
		t.Errorf("cas of a missing config: %+v", r)
	}
	if r := c.publish("a/b", "x", ""); r.ResultCode != 500 || r.ErrorCode != 400 {
		t.Errorf("bad name: %+v", r)
	}
	if r := c.publish("a", " ", ""); r.ResultCode != 500 || r.ErrorCode != 400 {
		t.Errorf("blank content: %+v", r)
	}
	for range 2 {
		var removed wire.ConfigRemoveResponse
		c.call(&wire.ConfigRemoveRequest{ConfigKey: wire.ConfigKey{DataID: "a", Group: "g", Tenant: "public"}}, &removed)
		if !removed.OK() || removed.ErrorCode != 0 {
			t.Errorf("remove: %+v", removed)
		}
	}
	if r := c.query("a"); r.ErrorCode != 300 {
		t.Errorf("removed: %+v", r)
	}
}

func TestAListenerIsToldWithItsOwnTenant(t *testing.T) {
	engine := engines.New(t)
	writer := dial(t, startNode(t, engine).addr, nil, false)
	node := startNode(t, engine)
	c := dial(t, node.addr, nil, false)
	writer.publish("a", "1", "")
	node.freshen(t)
	if changed := c.listen(true, "", "a", sum("")); len(changed) != 1 || changed[0].Tenant != "" {
		t.Fatalf("changed %v", changed)
	}
	if changed := c.listen(true, "", "a", sum("1")); len(changed) != 0 {
		t.Fatalf("changed %v", changed)
	}
	if changed := c.listen(true, "public", "a", sum("1")); len(changed) != 0 {
		t.Fatalf("changed %v", changed)
	}
	if changed := c.listen(true, "", "a", nil); len(changed) != 1 {
		t.Fatalf("a null md5 equals nothing, but changed %v", changed)
	}
	c.listen(true, "", "a", sum("1"))
	writer.publish("a", "1", "")
	c.quiet()
	writer.publish("a", "2", "")
	got := map[string]bool{c.next().Tenant: true, c.next().Tenant: true}
	if !got[""] || !got["public"] {
		t.Errorf("told with tenants %v", got)
	}
	if r := c.query("a"); r.Content != "2" {
		t.Errorf("whoever was told reads %q", r.Content)
	}
	c.listen(true, "", "a", sum("2"))
	c.listen(false, "public", "a", sum("2"))
	var removed wire.ConfigRemoveResponse
	writer.call(&wire.ConfigRemoveRequest{ConfigKey: wire.ConfigKey{DataID: "a", Group: "g"}}, &removed)
	if n := c.next(); n.Tenant != "" || n.DataID != "a" || n.Group != "g" {
		t.Errorf("told %+v", n)
	}
	c.quiet()
	if changed := c.listen(true, "", "a", sum("")); len(changed) != 0 {
		t.Errorf("a missing config whose listener knows it: changed %v", changed)
	}
	c.close()
	for node.center.Listeners().Stats().Keys != 0 {
		time.Sleep(time.Millisecond)
	}
}

// One client that listens to many configs has a bound on what is on its way to it.
func TestAListenerIsToldOfMoreThanIsUnderWayAtOnce(t *testing.T) {
	t.Parallel()
	node := startNode(t, engines.New(t))
	writer, c := dial(t, node.addr, nil, false), dial(t, node.addr, nil, false)
	const many = 50
	for n := range many {
		c.listen(true, "", "d"+strconv.Itoa(n), sum(""))
	}
	told := make(chan map[string]bool)
	go func() {
		all := map[string]bool{}
		for len(all) < many {
			all[c.next().DataID] = true
		}
		told <- all
	}()
	for n := range many {
		writer.publish("d"+strconv.Itoa(n), "1", "")
	}
	select {
	case <-told:
	case <-time.After(patience):
		t.Fatal("not told of all")
	}
}

func TestAChangeThatIsNotAcknowledgedIsPushedAgain(t *testing.T) {
	t.Parallel()
	node := startNode(t, engines.New(t))
	node.api.Hasten(time.Second, time.Hour)
	c := dial(t, node.addr, nil, true)
	c.listen(true, "", "a", sum(""))
	began := time.Now()
	c.publish("a", "1", "")
	first := c.next()
	var p *wire.Payload
	select {
	case p = <-c.pushes:
	case <-time.After(patience):
		t.Fatal("not pushed again")
	}
	// Three seconds for the acknowledgement, one until the next attempt.
	if after := time.Since(began); after < 3500*time.Millisecond {
		t.Errorf("pushed again after %v", after)
	}
	ack, err := wire.DecodeAck(p)
	if err != nil || ack.RequestID == first.RequestID {
		t.Errorf("request id %q again, %v", ack.RequestID, err)
	}
}

// TestAClientThatAcknowledgesAndForgetsIsToldAgain: nacos-sdk-go does, when a
// second change comes while it still works on the first.
func TestAClientThatAcknowledgesAndForgetsIsToldAgain(t *testing.T) {
	node := startNode(t, engines.New(t))
	const pause = 50 * time.Millisecond
	node.api.Hasten(pause, pause)
	c := dial(t, node.addr, nil, false)
	c.listen(true, "", "a", sum(""))
	began := time.Now()
	c.publish("a", "1", "")
	c.next()
	c.next()
	if after := time.Since(began); after < pause/2 {
		t.Errorf("told again after %v", after)
	}
	// Now it says what it has: nothing more is owed, though something may be under way.
	c.listen(true, "", "a", sum("1"))
	for len(c.pushes) > 0 {
		<-c.pushes
	}
	for range 2 {
		select {
		case <-c.pushes:
		case <-time.After(5 * pause):
			return
		}
	}
	t.Error("told again and again of what it has")
}

func TestOurOwnClientIsToldTheZxid(t *testing.T) {
	node := startNode(t, engines.New(t))
	c := dial(t, node.addr, map[string]string{nacosapi.LabelZensus: "1"}, false)
	c.listen(true, "", "a", sum(""))
	c.publish("a", "1", "")
	it, err := node.center.Get(t.Context(), configcenter.MakeKey("", "g", "a"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		DataID string `json:"dataId"`
		Zxid   uint64 `json:"zxid"`
	}
	if err := json.Unmarshal((<-c.pushes).GetBody().GetValue(), &got); err != nil || got.DataID != "a" || got.Zxid != uint64(it.Revision) {
		t.Errorf("told %+v, %v; want zxid %d", got, err, it.Revision)
	}
}

func TestContentThatJSONCannotCarryIsRefusedOverGRPC(t *testing.T) {
	node := startNode(t, engines.New(t))
	_, err := node.center.Publish(t.Context(), &configcenter.Publish{Key: configcenter.MakeKey("", "g", "bin"), Content: "\xff\x00"})
	if err != nil {
		t.Fatal(err)
	}
	if r := dial(t, node.addr, nil, false).query("bin"); r.OK() {
		t.Errorf("got %+v", r)
	}
}
