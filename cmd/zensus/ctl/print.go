package ctl

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/zensus-io/zensus/core"
)

// The forms of results in JSON.

type nodeJSON struct {
	Path string `json:"path"`
	*dataJSON
	Stat *statJSON `json:"stat,omitempty"`
}

// dataJSON holds data as text where it is some, else in base64. Null data is
// "data": null.
type dataJSON struct {
	Text   *string `json:"data"`
	Base64 []byte  `json:"data_base64,omitempty"`
}

func dataOf(data []byte) *dataJSON {
	switch {
	case data == nil:
		return &dataJSON{}
	case utf8.Valid(data):
		s := string(data)
		return &dataJSON{Text: &s}
	}
	return &dataJSON{Base64: data}
}

type statJSON struct {
	Czxid          string `json:"czxid"`
	Mzxid          string `json:"mzxid"`
	Pzxid          string `json:"pzxid"`
	Ctime          string `json:"ctime"`
	Mtime          string `json:"mtime"`
	Version        int32  `json:"version"`
	Cversion       int32  `json:"cversion"`
	Aversion       int32  `json:"aversion"`
	EphemeralOwner string `json:"ephemeral_owner"`
	DataLength     int32  `json:"data_length"`
	NumChildren    int32  `json:"num_children"`
}

func statOf(st core.Stat) *statJSON {
	return &statJSON{
		st.Czxid.String(), st.Mzxid.String(), st.Pzxid.String(), stamp(st.Ctime), stamp(st.Mtime),
		st.Version, st.Cversion, st.Aversion, st.EphemeralOwner.String(), st.DataLength, st.NumChildren,
	}
}

type childrenJSON struct {
	Path     string    `json:"path"`
	Children []string  `json:"children"`
	Stat     *statJSON `json:"stat"`
}

type identityJSON struct {
	Scheme string `json:"scheme"`
	ID     string `json:"id"`
}

// printJSON writes one value as one line.
func (z *zk) printJSON(v any) error { return writeJSON(z.out, v) }

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printStat writes a stat as zkCli does.
func (z *zk) printStat(st core.Stat) {
	fmt.Fprintf(z.out, "cZxid = %v\nctime = %s\nmZxid = %v\nmtime = %s\npZxid = %v\n", st.Czxid, clock(st.Ctime), st.Mzxid, clock(st.Mtime), st.Pzxid)
	fmt.Fprintf(z.out, "cversion = %d\ndataVersion = %d\naclVersion = %d\nephemeralOwner = %v\ndataLength = %d\nnumChildren = %d\n",
		st.Cversion, st.Version, st.Aversion, st.EphemeralOwner, st.DataLength, st.NumChildren)
}

func (z *zk) printNames(names []string) {
	fmt.Fprintf(z.out, "[%s]\n", strings.Join(names, ", "))
}

// clock is a time in milliseconds as Java prints it.
func clock(millis int64) string { return time.UnixMilli(millis).Format("Mon Jan 02 15:04:05 MST 2006") }

// stamp is a time in milliseconds for programs.
func stamp(millis int64) string {
	return time.UnixMilli(millis).UTC().Format("2006-01-02T15:04:05.000Z")
}

// newTable is a table without lines whose columns fit what is in them, also
// where characters are two cells wide.
func newTable(header ...string) table.Writer {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft = ""
	style.Box.PaddingRight = "  "
	t.SetStyle(style)
	cells := make(table.Row, len(header))
	for i, h := range header {
		cells[i] = h
	}
	t.AppendHeader(cells)
	return t
}

func row(cells ...any) table.Row { return cells }

func render(w io.Writer, t table.Writer) error {
	for line := range strings.SplitSeq(t.Render(), "\n") {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}
