package durability

import (
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// The audit is worth what it notices.
func TestAuditNoticesWhatIsLostTornOrBack(t *testing.T) {
	s := testkit.Start(t, testkit.Options{})
	c := dial(t, s.ZooKeeper)
	defer c.Close()
	tampered := 0
	fresh := func() *lane {
		t.Helper()
		tampered++
		l := newLane(tampered, 1)
		require.NoError(t, l.make(c))
		for l.known.counter == 0 || len(l.known.entries) < 2 {
			require.NoError(t, l.write(c))
		}
		require.NoError(t, l.audit(c))
		return l
	}
	entry := func(l *lane) string { return l.path + "/entries/" + l.oldest() }

	lost := fresh()
	require.NoError(t, c.Delete(entry(lost), -1))
	require.ErrorContains(t, lost.audit(c), "is lost")

	torn := fresh()
	data, _, err := c.Get(entry(torn))
	require.NoError(t, err)
	_, err = c.Set(entry(torn), data[:len(data)-1], -1)
	require.NoError(t, err)
	require.ErrorContains(t, torn.audit(c), "torn")

	half := fresh()
	half.unknown = &write{number: half.next + 1, counter: true, create: true}
	_, err = c.Create(half.path+"/entries/e-", payload(half.path, half.next+1), zk.FlagSequence, open)
	require.NoError(t, err)
	require.ErrorContains(t, half.audit(c), "without request")

	back := fresh()
	back.zxid += 1 << 32
	require.ErrorContains(t, back.audit(c), "went back")

	whole := fresh()
	whole.unknown = &write{number: whole.next + 1, create: true}
	_, err = c.Create(whole.path+"/entries/e-", payload(whole.path, whole.next+1), zk.FlagSequence, open)
	require.NoError(t, err)
	require.NoError(t, whole.audit(c), "a request that was done and not answered")
	require.Equal(t, 1, whole.applied)
}
