package nacosapi

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/configcenter/archive"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// noise does not get smaller when it is packed.
type noise struct{ *rand.Rand }

func (n noise) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(n.Uint32())
	}
	return len(p), nil
}

func TestWhatIsExportedCanBeUploaded(t *testing.T) {
	if testing.Short() {
		t.Skip("packs as much as may be, on one goroutine: the whole run has it")
	}
	const piece = 9 << 20
	content, err := io.ReadAll(io.LimitReader(noise{rand.New(rand.NewPCG(1, 2))}, piece))
	require.NoError(t, err)
	configs := make([]archive.Config, archiveBytesMax/piece+1)
	for i := range configs {
		configs[i] = archive.Config{Group: "g", DataID: string(rune('a' + i)), Type: "text", Content: string(content)}
	}
	b := bounded{most: archiveBytesMax}
	require.ErrorIs(t, archive.Write(&b, configs, true), archive.ErrTooLarge)
	b = bounded{most: archiveBytesMax}
	require.NoError(t, archive.Write(&b, configs[1:], true))
	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	f, err := m.CreateFormFile("file", "nacos_config_export_20060102150405.zip")
	require.NoError(t, err)
	_, err = f.Write(make([]byte, archiveBytesMax))
	require.NoError(t, err)
	require.NoError(t, m.WriteField("namespaceId", "dev"))
	require.NoError(t, m.Close())
	require.Less(t, form.Len(), publishBodyBytes)
}

func TestArchivesAreMadeAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &API{exchanges: make(chan struct{}, exchangesMax)}
		var leave []func()
		for range exchangesMax {
			l, err := a.exchange(t.Context())
			require.NoError(t, err)
			leave = append(leave, l)
		}
		_, err := a.exchange(t.Context())
		require.Equal(t, wire.Busy, wire.AsError(err).Kind)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = a.exchange(ctx)
		require.ErrorIs(t, err, context.Canceled)
		leave[0]()
		_, err = a.exchange(t.Context())
		require.NoError(t, err)
	})
}
