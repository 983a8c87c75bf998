package interop

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/vo"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// TestWhoeverIsAskedKnowsTheListenersOfAllServers has a stock client on each of three
// servers, of which one dies.
func TestWhoeverIsAskedKnowsTheListenersOfAllServers(t *testing.T) {
	t.Parallel()
	all := testkit.StartEnsemble(t, testkit.Options{Nacos: true, Alone: true}, 3, 0)
	name := func(i int) string { return fmt.Sprint("listened-", i+1) }
	for i, s := range all {
		listen := vo.ConfigParam{DataId: name(i), Group: "shop", OnChange: func(_, _, _, _ string) {}}
		require.NoError(t, nacosConfig(t, s, "").ListenConfig(listen))
	}
	listeners := func(s *testkit.Server, dataID string) int {
		res, err := http.Get("http://" + s.HTTP + "/nacos/v3/admin/cs/config/listener?groupName=shop&dataId=" + dataID)
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		var answer struct {
			Data struct {
				Status map[string]string `json:"listenersStatus"`
			} `json:"data"`
		}
		require.NoError(t, json.Unmarshal(body, &answer), string(body))
		return len(answer.Data.Status)
	}
	for _, s := range all {
		for i := range all {
			eventually(t, 20*time.Second, name(i), func() bool { return listeners(s, name(i)) == 1 })
		}
	}
	all[2].Kill()
	for _, s := range all[:2] {
		for i, want := range []int{1, 1, 0} {
			eventually(t, 20*time.Second, name(i), func() bool { return listeners(s, name(i)) == want })
		}
	}
}
