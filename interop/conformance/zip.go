package conformance

import (
	"archive/zip"
	"bytes"
	"io"
)

// archive has these entries, in this order.
func archive(entries [][2]string) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		f, err := w.Create(e[0])
		if err != nil {
			return nil, err
		}
		if _, err := io.WriteString(f, e[1]); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// zipped is what an archive holds, by name.
func zipped(b []byte) (any, error) {
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	files := map[string]any{}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(io.LimitReader(in, 1<<20))
		if err != nil {
			return nil, err
		}
		files[f.Name] = string(content)
	}
	return files, nil
}
