package conformance

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

const page = "../../docs/protocol/nacos.md"

// Every endpoint that Nacos offers is asked by a script, or left out for a reason that the
// page gives.
func TestTheTable(t *testing.T) {
	endpoints, err := readEndpoints("endpoints.txt")
	require.NoError(t, err)
	differs, err := reasons("differs.txt")
	require.NoError(t, err)
	leftOut, err := reasons("left-out.txt")
	require.NoError(t, err)
	lacking, err := steps("lacking.txt")
	require.NoError(t, err)
	all := whatBecame(endpoints, scripts(t), differs, leftOut, lacking)
	known := map[string]bool{}
	for _, e := range all {
		known[e.String()] = true
		if e.steps == 0 && e.leftOut == "" {
			t.Errorf("%s is neither asked nor left out", e.endpoint)
		}
		if e.steps > 0 && e.leftOut != "" {
			t.Errorf("%s is left out, and asked", e.endpoint)
		}
	}
	for what := range leftOut {
		require.True(t, known[what], "%s is left out, and no endpoint", what)
	}
	is, err := os.ReadFile(page)
	require.NoError(t, err)
	should, err := inPage(string(is), table(all))
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(should), 0o644))
		return
	}
	require.Equal(t, should, string(is), "the table is not that of the scripts: -update")
}

func TestScriptsSayWhatTheyMean(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ text, err string }{
		{"like 2.5.1\nsettle 1s\nGET /v1/ns/instance\n\tserviceName=a b\n\twith a b\n\tuntil\n", ""},
		{"GET /v1/ns/instance\n", "and not one of"},
		{"like 2.5.1\n\tuntil\n", "no step to belong to"},
		{"like 2.5.1\nFETCH /v1\n", "is no step"},
		{"like 2.5.1\nGET /v1\n\tnonsense\n", "is no option"},
		{"like 3.0.3\nask a\n", "of what type"},
		{"like 3.0.3\ndial a\nsend a SetupRequest {}\nask a CheckRequest {}\n\theader notify: true\n", ""},
		{"like 3.0.3\nsend a\n", "of what type"},
	} {
		file := dir + "/a.txt"
		require.NoError(t, os.WriteFile(file, []byte(c.text), 0o600))
		_, err := readScript(file)
		if c.err == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, c.err)
		}
	}
}

func TestWhatVariesIsMasked(t *testing.T) {
	v, ok := decode([]byte(`{"id":7,"nid":0,"at":"1700000000000_127.0.0.1_5000","list":[{"b":1},{"a":1.0},{"c":3}],"port":9,"more":[1],"none":[]}`))
	require.True(t, ok)
	v2, ok := decode([]byte(`{"extInfo":"{\"b\":1,\"a\":\"x\"}","other":"{}"}`))
	require.True(t, ok)
	require.JSONEq(t, `{"extInfo":{"a":"x","b":1},"other":"{}"}`, text(mask(v2, &step{})))
	v.(map[string]any)["list"] = filtered(v.(map[string]any)["list"], "1")
	require.JSONEq(t, `{"id":"<varies: number>","nid":0,"at":"<connection>","list":[{"a":1},{"b":1}],"port":"<varies: number>","more":"<varies: list>","none":[]}`,
		text(mask(v, &step{sort: true, masks: []string{"port", "more", "none"}})))
}

func TestAMaskedValueKeepsItsType(t *testing.T) {
	masks := func(body string) string {
		v, ok := decode([]byte(body))
		require.True(t, ok)
		return text(mask(v, &step{masks: []string{"more"}}))
	}
	number := masks(`{"list":[{"id":7}]}`)
	require.NotEqual(t, number, masks(`{"list":[{"id":"7"}]}`), "a text in the place of a number")
	require.Equal(t, number, masks(`{"list":[{"id":8}]}`))
	require.NotEqual(t, number, masks(`{"list":[{"id":0}]}`), "nothing in the place of something")
	require.NotEqual(t, masks(`{"more":{"a":1}}`), masks(`{"more":[1]}`))
	require.Equal(t, number, masks(`{"list":[{"id":"<varies: number>"}]}`), "what is masked stays")
}

func TestBlankMembersOfAPayloadCountAsAbsent(t *testing.T) {
	v, ok := decode([]byte(`{"message":"","headers":{},"tag":null,"list":[],"beta":false,"n":0,"info":{"name":""}}`))
	require.True(t, ok)
	require.JSONEq(t, `{"list":[],"beta":false,"n":0,"info":{"name":""}}`, text(filled(v)))
}
