package conformance

import (
	"archive/zip"
	"bytes"
	"io"
)

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
