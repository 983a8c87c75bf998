//go:build !noconsole

package console

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
)

//go:embed all:dist
var dist embed.FS

// contentTypes are those of the files that the build makes. They are named here
// because the machine's own table may say otherwise.
var contentTypes = map[string]string{
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
	".html": "text/html; charset=utf-8",
	".md":   "text/plain; charset=utf-8",
}

// newUI reads the build that was embedded.
func newUI() (*ui, error) {
	u := &ui{assets: map[string]asset{}}
	err := fs.WalkDir(dist, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := dist.ReadFile(name)
		if err != nil {
			return err
		}
		contentType, ok := contentTypes[path.Ext(name)]
		if !ok {
			return fmt.Errorf("%s: no content type for this kind of file", name)
		}
		if name == "dist/index.html" {
			u.index = body
			return nil
		}
		u.assets[name[len("dist/"):]] = asset{body: body, contentType: contentType}
		return nil
	})
	if err == nil && u.index == nil {
		err = fs.ErrNotExist
	}
	return u, err
}
