package storage

import (
	"errors"
	"testing"

	"github.com/zensus-io/zensus/core/vfs"
)

// A frame must not be taken for valid in another life, at another place (lessons
// G6), or with a changed bit.
func TestAFrameIsValidOnlyWhereAndWhenItWasWritten(t *testing.T) {
	var h history
	r := h.epoch(1)
	const pos = headerBytes + 512
	sl := newSeal(1)
	record := sl.appendRecord(nil, pos, &r)
	end := sl.appendTrailer(nil, pos, trailer{1, 2, headerBytes, 3, 4})
	valid := func(s seal, b []byte, at int64) bool {
		mem := vfs.NewMem()
		f, err := mem.Create("/s")
		must(t, err)
		_, err = f.WriteAt(b, at)
		must(t, err)
		var fr frame
		err = newFrames(f, s, at, at+int64(len(b))).read(&fr)
		if err != nil && !errors.Is(err, errNoFrame) {
			t.Fatal(err)
		}
		return err == nil
	}
	for name, b := range map[string][]byte{"record": record, "trailer": end} {
		if len(b)%frameAlign != 0 {
			t.Errorf("%s: %d bytes", name, len(b))
		}
		if !valid(sl, b, pos) {
			t.Errorf("%s: not valid where it was written", name)
		}
		for _, at := range []int64{headerBytes, pos + 8, pos + 4096, pos << 8} {
			if valid(sl, b, at) {
				t.Errorf("%s: valid at %d", name, at)
			}
		}
		if valid(newSeal(2), b, pos) {
			t.Errorf("%s: valid in another life", name)
		}
		for i := range b {
			for bit := range 8 {
				b[i] ^= 1 << bit
				if valid(sl, b, pos) {
					t.Errorf("%s: valid with bit %d of byte %d inverted", name, bit, i)
				}
				b[i] ^= 1 << bit
			}
		}
	}
}
