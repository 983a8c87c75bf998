// Package archive is configs as a zip file, in the two forms that Nacos writes and reads.
//
// Each config is a file GROUP/DATAID. In the older form a file .meta.yml has, where there
// is an application, a line for it; in the newer one a file .metadata.yml lists all configs
// with their type, description and application, and what it does not list is not taken.
//
// What is read comes from outside: the number of files, their sizes packed and unpacked, and
// their names are bounded; nothing is ever written to a disk.
package archive

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/zensus-io/zensus/configcenter/validate"
	"github.com/zensus-io/zensus/internal/names"
)

// Config is one config of an archive.
type Config struct {
	AppName string `yaml:"appName"`
	DataID  string `yaml:"dataId"`
	Desc    string `yaml:"desc"` // the newer form only
	Group   string `yaml:"group"`
	Type    string `yaml:"type"` // likewise
	Content string `yaml:"-"`
}

// MarshalYAML writes the config as Nacos does: what nobody said is left out, but the
// application is not, and what would be read as anything but a text is in single quotes.
func (c Config) MarshalYAML() (any, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range [...]struct{ name, value string }{
		{"appName", c.AppName}, {"dataId", c.DataID}, {"desc", c.Desc}, {"group", c.Group}, {"type", c.Type},
	} {
		if f.value == "" && f.name != "appName" {
			continue
		}
		text := strings.ToValidUTF8(f.value, "\uFFFD") // YAML has no other
		value := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
		if read := (yaml.Node{Kind: yaml.ScalarNode, Value: text}); read.ShortTag() != "!!str" {
			value.Style = yaml.SingleQuotedStyle
		}
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: f.name}, value)
	}
	return n, nil
}

// The bounds of what is read.
const (
	filesMax     = 10_000 + 1 // configs, and the metadata
	fileBytesMax = 16 << 20   // unpacked
	// metadataBytesMax and metadataMarksMax bound the newer metadata: what reads YAML
	// makes hundreds of bytes of each of its parts, which marks part from one another.
	metadataBytesMax = 4 << 20
	metadataMarksMax = 400_000
	// TotalBytesMax bounds what all files of an archive are, unpacked.
	TotalBytesMax   = 128 << 20
	metadataDepth   = 3
	metadataNewName = ".metadata.yml"
	metadataOldName = ".meta.yml"
)

// Errors of Read.
var (
	// ErrFormat is returned for what is no zip file, or a broken one.
	ErrFormat = errors.New("archive: not a zip file")
	// ErrMetadata is returned for metadata that cannot be read, or lack something.
	ErrMetadata = errors.New("archive: bad metadata")
	// ErrTooLarge is returned when an archive has too many files or too much in them.
	ErrTooLarge = errors.New("archive: too large")
)

// Contents are what an archive holds.
type Contents struct {
	Configs []Config
	// Unrecognized are what is left out.
	Unrecognized []Unrecognized
	// Newer says that the archive is of the newer form.
	Newer bool
}

// Unrecognized is a file that is left out, or a config that the metadata list and that is
// not there.
type Unrecognized struct {
	Name string
	Why  Why
}

// Why says why something is left out.
type Why int

// The reasons that there are.
const (
	NoConfig  Why = iota // the name of the file is not that of a config
	NotListed            // the metadata do not list it
	NotThere             // there is no such file
)

type metadata struct {
	Metadata []Config `yaml:"metadata"`
}

// Write makes an archive of the newer form, or of the older one. It returns ErrTooLarge
// for metadata that Read would not take, and then has written something.
func Write(w io.Writer, configs []Config, newer bool) error {
	z := zip.NewWriter(w)
	var old strings.Builder
	for i := range configs {
		c := &configs[i]
		if err := add(z, c.Group+"/"+c.DataID, c.Content); err != nil {
			return err
		}
		if c.AppName != "" {
			fmt.Fprintf(&old, "%s=%s\r\n", oldKey(c.Group, c.DataID), c.AppName)
		}
	}
	switch {
	case newer:
		text, err := dump(configs)
		if err == nil && (len(text) > metadataBytesMax || marks(text) > metadataMarksMax) {
			err = fmt.Errorf("%w: metadata of %d bytes", ErrTooLarge, len(text))
		}
		if err == nil {
			err = add(z, metadataNewName, text)
		}
		if err != nil {
			return err
		}
	case old.Len() > 0:
		if err := add(z, metadataOldName, old.String()); err != nil {
			return err
		}
	}
	return z.Close()
}

func add(z *zip.Writer, name, content string) error {
	f, err := z.Create(name)
	if err == nil {
		_, err = io.WriteString(f, content)
	}
	return err
}

func dump(configs []Config) (string, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	e.CompactSeqIndent()
	if err := e.Encode(metadata{configs}); err != nil {
		return "", err
	}
	return b.String(), e.Close()
}

// oldKey is what the older metadata call the application of a config: the last dot of
// the dataId is a tilde there.
func oldKey(group, dataID string) string {
	if i := strings.LastIndexByte(dataID, '.'); i >= 0 {
		dataID = dataID[:i] + "~" + dataID[i+1:]
	}
	return group + "." + dataID + ".app"
}

// Read takes an archive apart. It returns ErrFormat, ErrMetadata or ErrTooLarge.
func Read(b []byte) (*Contents, error) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(z.File) > filesMax {
		return nil, fmt.Errorf("%w: %d files, at most %d", ErrTooLarge, len(z.File), filesMax)
	}
	files := make([]file, 0, len(z.File))
	var meta *file
	left := int64(TotalBytesMax)
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		content, err := unpack(f, min(left, fileBytesMax))
		if err != nil {
			return nil, err
		}
		left -= int64(len(content))
		one := file{f.Name, content}
		if meta == nil && (f.Name == metadataOldName || f.Name == metadataNewName) {
			meta = &one
			continue
		}
		files = append(files, one)
	}
	if meta != nil && meta.name == metadataNewName {
		return newer(files, meta.content)
	}
	return older(files, meta)
}

type file struct{ name, content string }

// unpack reads a file of at most so many bytes. What a header says of a size is not
// believed.
func unpack(f *zip.File, most int64) (string, error) {
	r, err := f.Open()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrFormat, err)
	}
	defer r.Close()
	var b strings.Builder
	n, err := io.Copy(&b, io.LimitReader(r, most+1))
	if n > most {
		return "", fmt.Errorf("%w: %s", ErrTooLarge, clip(f.Name))
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return b.String(), nil
}

// named takes a file's name apart: a group and a dataId, and nothing else.
func named(name string) (group, dataID string, ok bool) {
	group, dataID, ok = strings.Cut(name, "/")
	return group, dataID, ok && group != "" && dataID != "" && !strings.Contains(dataID, "/")
}

func older(files []file, meta *file) (*Contents, error) {
	apps := map[string]string{}
	if meta != nil {
		if meta.content == "" { // it is there because it has a line
			return nil, fmt.Errorf("%w: it is empty", ErrMetadata)
		}
		for line := range strings.FieldsFuncSeq(meta.content, func(r rune) bool { return r == '\r' || r == '\n' }) {
			key, app, ok := strings.Cut(line, "=")
			if !ok || strings.Contains(app, "=") || app == "" {
				return nil, fmt.Errorf("%w: %q", ErrMetadata, clip(line))
			}
			apps[key] = app
		}
	}
	out := &Contents{}
	for _, f := range files {
		group, dataID, ok := named(f.name)
		if !ok {
			out.Unrecognized = append(out.Unrecognized, Unrecognized{f.name, NoConfig})
			continue
		}
		out.Configs = append(out.Configs, Config{Group: group, DataID: dataID, Content: f.content, AppName: apps[oldKey(group, dataID)]})
	}
	return out, nil
}

func newer(files []file, text string) (*Contents, error) {
	var meta metadata
	if err := load(text, &meta); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMetadata, err)
	}
	type name struct{ group, dataID string }
	listed := map[name]bool{}
	for _, c := range meta.Metadata {
		if strings.TrimSpace(c.Group) == "" || strings.TrimSpace(c.DataID) == "" || strings.TrimSpace(c.Type) == "" {
			return nil, fmt.Errorf("%w: group, dataId and type are needed", ErrMetadata)
		}
		listed[name{c.Group, c.DataID}] = true
	}
	if len(listed) == 0 {
		return nil, fmt.Errorf("%w: it lists nothing", ErrMetadata)
	}
	out := &Contents{Newer: true}
	contents := map[name]string{}
	for _, f := range files {
		group, dataID, ok := named(f.name)
		switch {
		case !ok:
			out.Unrecognized = append(out.Unrecognized, Unrecognized{f.name, NoConfig})
		case !listed[name{group, dataID}]:
			out.Unrecognized = append(out.Unrecognized, Unrecognized{f.name, NotListed})
		default:
			contents[name{group, dataID}] = f.content
		}
	}
	for _, c := range meta.Metadata {
		content, ok := contents[name{c.Group, c.DataID}]
		if !ok {
			out.Unrecognized = append(out.Unrecognized, Unrecognized{c.Group + "/" + c.DataID, NotThere})
			continue
		}
		c.Content = content
		out.Configs = append(out.Configs, c)
	}
	return out, nil
}

// load reads YAML of a plain kind: what it refers to by anchors could grow without end.
func load(text string, into *metadata) error {
	if len(text) > metadataBytesMax || marks(text) > metadataMarksMax {
		return errors.New("too long")
	}
	if validate.TagDirectives(text) >= 0 {
		return errors.New("too many directives")
	}
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		return err
	}
	if !isPlain(&root, 2*metadataDepth) {
		return errors.New("nested too deep, or with anchors")
	}
	return root.Decode(into)
}

// marks counts what can stand between two parts of YAML: there is one at least for each
// two of them.
func marks(text string) (n int) {
	for i := range len(text) {
		switch text[i] {
		case '\n', '\r', ',', '[', '{':
			n++
		case '-', '?', ':':
			if i+1 == len(text) || text[i+1] == ' ' || text[i+1] == '\t' {
				n++
			}
		}
	}
	for _, end := range []string{"\u0085", "\u2028", "\u2029"} { // of a line, too
		n += strings.Count(text, end)
	}
	return n
}

func isPlain(n *yaml.Node, depth int) bool {
	if depth == 0 || n.Kind == yaml.AliasNode || n.Anchor != "" {
		return false
	}
	for _, c := range n.Content {
		if !isPlain(c, depth-1) {
			return false
		}
	}
	return true
}

// clip bounds what an archive names in a message.
func clip(s string) string { return names.Clip(s, 128, "...") }
