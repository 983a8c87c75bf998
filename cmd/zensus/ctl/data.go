package ctl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/vfs"
)

func dataCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "data", Short: "look at a server's data directory"}
	cmd.AddCommand(verifyCommand())
	return cmd
}

// errDamaged is what verify ends with when it found damage.
var errDamaged = errors.New("the data directory is damaged")

func verifyCommand() *cobra.Command {
	out := text
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "check every record and snapshot of a data directory",
		Long: `Read everything in a data directory and change nothing: both copies of the meta
record, every record of the log with its checksum and the chain, every chunk of every
snapshot. The status is 0 if all is as it was written, 1 if something is damaged or
could not be read. A torn tail, which a crash leaves and the next start cuts off, is no
damage. While a server is running in the directory its newest batch may look torn.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := storage.Verify(vfs.OS{}, args[0])
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s: no data directory of a server: %w", args[0], err)
			}
			if err != nil {
				return err
			}
			if out == asJSON {
				err = writeJSON(cmd.OutOrStdout(), reportJSONOf(&r))
			} else {
				err = printReport(cmd.OutOrStdout(), &r)
			}
			if err == nil && !r.OK() {
				err = fmt.Errorf("%s: %w", args[0], errDamaged)
			}
			return err
		},
	}
	cmd.Flags().VarP(&out, "output", "o", "form of the report")
	return cmd
}

// verdict is the report in one sentence.
func verdict(r *storage.Report) string {
	switch {
	case r.Lost:
		return "DAMAGED: what is missing cannot be made up for; a server will not start on it"
	case !r.OK():
		return "DAMAGED: nothing is lost, the rest makes up for it; a server will start on it"
	case r.TornBytes > 0:
		return fmt.Sprintf("OK: a torn tail of %d bytes will be cut off at the next start", r.TornBytes)
	}
	return "OK"
}

func printReport(w io.Writer, r *storage.Report) error {
	if len(r.Segments) > 0 {
		t := newTable("segment", "first after", "last", "records", "bytes", "")
		for _, s := range r.Segments {
			note := ""
			if s.BrokenAfter {
				note = "broken after"
			}
			t.AppendRow(row(s.Name, s.Base, s.Last, s.Records, s.Bytes, note))
		}
		if err := render(w, t); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	if len(r.Snapshots) > 0 {
		t := newTable("snapshot", "zxid", "bytes", "")
		for _, s := range r.Snapshots {
			note := ""
			if s.Err != nil {
				note = s.Err.Error()
			}
			t.AppendRow(row(s.Name, s.Info.Zxid, s.Info.Bytes, note))
		}
		if err := render(w, t); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	for _, d := range r.Damage {
		fmt.Fprintf(w, "damage: %s at byte %d: %s\n", d.File, d.Offset, d.What)
	}
	for _, file := range r.Leftovers {
		fmt.Fprintf(w, "leftover: %s\n", file)
	}
	_, err := fmt.Fprintf(w, "the log ends at %v, chain %016x\n%s\n", r.LastLogged, r.LastChain, verdict(r))
	return err
}

type reportJSON struct {
	OK         bool           `json:"ok"`
	Verdict    string         `json:"verdict"`
	LastLogged string         `json:"last_logged"`
	LastChain  string         `json:"last_chain"`
	TornBytes  int64          `json:"torn_bytes"`
	Segments   []segmentJSON  `json:"segments"`
	Snapshots  []snapshotJSON `json:"snapshots"`
	Damage     []damageJSON   `json:"damage"`
	Leftovers  []string       `json:"leftovers"`
}

type segmentJSON struct {
	Name        string `json:"name"`
	Base        string `json:"base"`
	Last        string `json:"last"`
	Records     int64  `json:"records"`
	Bytes       int64  `json:"bytes"`
	BrokenAfter bool   `json:"broken_after"`
}

type snapshotJSON struct {
	Name  string `json:"name"`
	Zxid  string `json:"zxid"`
	Bytes int64  `json:"bytes"`
	Error string `json:"error,omitempty"`
}

type damageJSON struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	Reason string `json:"reason"`
}

func reportJSONOf(r *storage.Report) reportJSON {
	out := reportJSON{
		OK: r.OK(), Verdict: verdict(r), LastLogged: r.LastLogged.String(), LastChain: fmt.Sprintf("%016x", r.LastChain), TornBytes: r.TornBytes,
		Segments: []segmentJSON{}, Snapshots: []snapshotJSON{}, Damage: []damageJSON{}, Leftovers: append([]string{}, r.Leftovers...),
	}
	for _, s := range r.Segments {
		out.Segments = append(out.Segments, segmentJSON{s.Name, s.Base.String(), s.Last.String(), s.Records, s.Bytes, s.BrokenAfter})
	}
	for _, s := range r.Snapshots {
		j := snapshotJSON{Name: s.Name, Zxid: s.Info.Zxid.String(), Bytes: s.Info.Bytes}
		if s.Err != nil {
			j.Error = s.Err.Error()
		}
		out.Snapshots = append(out.Snapshots, j)
	}
	for _, d := range r.Damage {
		out.Damage = append(out.Damage, damageJSON{d.File, d.Offset, d.What})
	}
	return out
}
