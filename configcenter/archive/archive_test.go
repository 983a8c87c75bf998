package archive

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func packed(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		require.NoError(t, add(z, files[i], files[i+1]))
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	configs := []Config{
		{Group: "g", DataID: "a.b.yaml", Content: "k: v\n", AppName: "app", Desc: "日本: \"x\"", Type: "yaml"},
		{Group: "g", DataID: "plain", Content: "", Type: "text"},
		{Group: "h", DataID: "plain", Content: strings.Repeat("x", 1<<20), Type: "text"},
	}
	for _, form := range []bool{true, false} {
		var b bytes.Buffer
		require.NoError(t, Write(&b, configs, form))
		got, err := Read(b.Bytes())
		require.NoError(t, err)
		want := configs
		if !form {
			want = []Config{
				{Group: "g", DataID: "a.b.yaml", Content: "k: v\n", AppName: "app"},
				{Group: "g", DataID: "plain"},
				{Group: "h", DataID: "plain", Content: strings.Repeat("x", 1<<20)},
			}
		}
		require.Equal(t, &Contents{Configs: want, Newer: form}, got)
	}
}

// As Nacos writes them.
func TestTheFormsOfTheMetadata(t *testing.T) {
	var b bytes.Buffer
	configs := []Config{{Group: "g", DataID: "a.b.yaml", Content: "k: v", AppName: "app", Type: "yaml", Desc: "d"}, {Group: "g", DataID: "p", Content: "x", Type: "text"}}
	require.NoError(t, Write(&b, configs, true))
	require.Equal(t, "metadata:\n- appName: app\n  dataId: a.b.yaml\n  desc: d\n  group: g\n  type: yaml\n- appName: ''\n  dataId: p\n  group: g\n  type: text\n", fileOf(t, b.Bytes(), ".metadata.yml"))
	b.Reset()
	require.NoError(t, Write(&b, []Config{{Group: "true", DataID: "007", AppName: "1.5", Desc: "say \"a\": \xff"}}, true))
	require.Equal(t, "metadata:\n- appName: '1.5'\n  dataId: '007'\n  desc: 'say \"a\": \uFFFD'\n  group: 'true'\n", fileOf(t, b.Bytes(), ".metadata.yml"))
	b.Reset()
	require.NoError(t, Write(&b, nil, true))
	require.Equal(t, "metadata: []\n", fileOf(t, b.Bytes(), ".metadata.yml"))
	b.Reset()
	require.NoError(t, Write(&b, configs, false))
	require.Equal(t, "g.a.b~yaml.app=app\r\n", fileOf(t, b.Bytes(), ".meta.yml"))
}

func fileOf(t *testing.T, b []byte, name string) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	for _, f := range z.File {
		if f.Name == name {
			content, err := unpack(f, 1<<20)
			require.NoError(t, err)
			return content
		}
	}
	t.Fatalf("there is no %s", name)
	return ""
}

func TestWhatIsNotRecognizedIsNamed(t *testing.T) {
	got, err := Read(packed(t, "g/a", "1", "no group", "2", "../x/y", "3", "g/", "", "deep/er/still", "4"))
	require.NoError(t, err)
	require.Equal(t, []Config{{Group: "g", DataID: "a", Content: "1"}}, got.Configs)
	require.Equal(t, []Unrecognized{{"no group", NoConfig}, {"../x/y", NoConfig}, {"deep/er/still", NoConfig}}, got.Unrecognized)
	got, err = Read(packed(t, "g/a", "1", "g/b", "2", ".metadata.yml", "metadata:\n- {group: g, dataId: a, type: text}\n- {group: g, dataId: c, type: text}\n"))
	require.NoError(t, err)
	require.Equal(t, []Config{{Group: "g", DataID: "a", Content: "1", Type: "text"}}, got.Configs)
	require.Equal(t, []Unrecognized{{"g/b", NotListed}, {"g/c", NotThere}}, got.Unrecognized)
}

func TestBadArchivesAreRefused(t *testing.T) {
	many := make([]string, 0, 2*(filesMax+1))
	for range filesMax + 1 {
		many = append(many, "g/a", "")
	}
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"no zip":            {[]byte("not a zip"), ErrFormat},
		"nothing":           {nil, ErrFormat},
		"cut":               {packed(t, "g/a", "1")[:20], ErrFormat},
		"a large file":      {packed(t, "g/a", strings.Repeat("x", fileBytesMax+1)), ErrTooLarge},
		"many files":        {packed(t, many...), ErrTooLarge},
		"no YAML":           {packed(t, "g/a", "1", ".metadata.yml", "\t:["), ErrMetadata},
		"another YAML":      {packed(t, "g/a", "1", ".metadata.yml", "metadata: 7"), ErrMetadata},
		"empty YAML":        {packed(t, "g/a", "1", ".metadata.yml", ""), ErrMetadata},
		"without a type":    {packed(t, "g/a", "1", ".metadata.yml", "metadata:\n- {group: g, dataId: a}\n"), ErrMetadata},
		"long YAML":         {packed(t, "g/a", "1", ".metadata.yml", "metadata:\n- {group: g, dataId: a, type: text, desc: "+strings.Repeat("x", metadataBytesMax)+"}\n"), ErrMetadata},
		"many lines":        {packed(t, "g/a", "1", ".metadata.yml", "metadata:\n- {group: g, dataId: a, type: text}\nx:\n"+strings.Repeat("- a\n", metadataMarksMax)), ErrMetadata},
		"many directives":   {packed(t, "g/a", "1", ".metadata.yml", directives(90_000)+"--- {}\n"), ErrMetadata},
		"anchors":           {packed(t, "g/a", "1", ".metadata.yml", "a: &a [x]\nmetadata: [*a, *a]\n"), ErrMetadata},
		"nothing of old":    {packed(t, "g/a", "1", ".meta.yml", ""), ErrMetadata},
		"a bad line of old": {packed(t, "g/a", "1", ".meta.yml", "no equals sign\r\n"), ErrMetadata},
	} {
		_, err := Read(c.b)
		require.ErrorIs(t, err, c.want, name)
	}
	// Many files, each within its bound.
	files := make([]string, 0, 20)
	for range 10 {
		files = append(files, "g/a", strings.Repeat("x", fileBytesMax-1))
	}
	_, err := Read(packed(t, files...))
	require.ErrorIs(t, err, ErrTooLarge)
}

func directives(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%%TAG !a%d! tag:x\n", i)
	}
	return b.String()
}

func FuzzRead(f *testing.F) {
	f.Add(packed(f, "g/a", "1", ".metadata.yml", "metadata:\n- {group: g, dataId: a, type: text}\n"))
	f.Add(packed(f, "g/a", "1", ".meta.yml", "g.a.app=x\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Read(b)
		if err != nil {
			return
		}
		for _, c := range got.Configs {
			if c.Group == "" || c.DataID == "" || strings.Contains(c.Group+c.DataID, "/") && !got.Newer {
				t.Fatalf("read %+v", c)
			}
		}
	})
}

func TestMetadataCostNoMoreThanTheyMay(t *testing.T) {
	parts := []string{"- a\n", "a,", "- ", "? ", "[", "{", "a: ", "- a\r", "- a\u2028", "\n- ", "[],", "{},", "&a ", "!a ", "'' ", "-\t", "- a\u0085"}
	if testing.Short() {
		parts = parts[:3]
	}
	for _, part := range parts {
		for _, around := range [][2]string{{"x:\n", "\n"}, {"x: [", "]\n"}} {
			text := around[0] + strings.Repeat(part, (metadataBytesMax-20)/len(part)) + around[1]
			var meta metadata
			require.Less(t, testing.AllocsPerRun(1, func() { _ = load(text, &meta) }), 3e6, "%q", part)
		}
	}
}

func TestWhatIsAsLargeAsMayBeIsReadAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("packs as much as may be, on one goroutine: the whole run has it")
	}
	configs := make([]Config, filesMax-1)
	for i := range configs {
		configs[i] = Config{Group: "DEFAULT_GROUP", DataID: fmt.Sprintf("application-%d.yaml", i), Type: "yaml", AppName: "orders", Desc: "what it is for, in a few words", Content: "a: 1"}
	}
	var b bytes.Buffer
	require.NoError(t, Write(&b, configs, true))
	got, err := Read(b.Bytes())
	require.NoError(t, err)
	require.Equal(t, configs, got.Configs)
	for i := range configs {
		configs[i].Desc = strings.Repeat("x", 1024)
	}
	require.ErrorIs(t, Write(io.Discard, configs[:5000], true), ErrTooLarge, "or it could not be read again")
}
