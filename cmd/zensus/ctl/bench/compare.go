package bench

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Side is what one server measured for a row.
type Side struct {
	Server  string    `json:"server"`
	Values  []float64 `json:"values"`
	Median  float64   `json:"median"`
	P50     float64   `json:"p50_us,omitempty"` // median of the rounds' medians
	P99     float64   `json:"p99_us,omitempty"` // likewise of the 99th percentiles
	CPUPer  float64   `json:"cpu_us,omitempty"` // server's processor time per request
	Unit    string    `json:"unit"`
	Comment string    `json:"comment,omitempty"`
}

// Row is one line of the result: a workload on one or both servers.
type Row struct {
	Workload string `json:"workload"`
	Shape    string `json:"shape"`
	Sides    []Side `json:"sides"`
	// Ratio is the first side's median over the second's; CPURatio and P50Ratio
	// likewise. 0 with one side, or where a figure is missing.
	Ratio    float64 `json:"ratio,omitempty"`
	P50Ratio float64 `json:"p50_ratio,omitempty"`
	CPURatio float64 `json:"cpu_ratio,omitempty"`
}

// Progress hears of every round before it begins. It may be nil.
type Progress func(what string, done, total int)

// Compare runs a workload, one round of which is run, on each server in turn, rounds
// times.
func Compare(servers []*Server, name string, s Shape, rounds int, run func(*Server) (Sample, error), tell Progress) (Row, error) {
	row := Row{Workload: name, Shape: s.String()}
	samples := make([][]Sample, len(servers))
	for round := range rounds {
		for i := range servers {
			// Who begins changes from round to round.
			side := (i + round) % len(servers)
			if tell != nil {
				tell(fmt.Sprintf("%s %s on %s", name, s, servers[side].Name), round*len(servers)+i, rounds*len(servers))
			}
			sample, err := run(servers[side])
			err = errors.Join(err, servers[side].running())
			if err != nil {
				return row, fmt.Errorf("%s on %s: %w", name, servers[side].Name, err)
			}
			samples[side] = append(samples[side], sample)
		}
	}
	for i, srv := range servers {
		row.Sides = append(row.Sides, sideOf(srv, samples[i]))
	}
	row.relate()
	return row, nil
}

func sideOf(srv *Server, samples []Sample) Side {
	side := Side{Server: srv.Name, Unit: "requests/s"}
	var p50, p99, cpu []float64
	var done, refused int64
	var refusal string
	for _, s := range samples {
		done, refused, refusal = done+s.Requests, refused+s.Refused, cmp.Or(refusal, s.Refusal)
		side.Values = append(side.Values, s.PerSecond)
		p50 = append(p50, micros(s.P50))
		p99 = append(p99, micros(s.P99))
		cpu = append(cpu, micros(s.CPU))
	}
	if refused > 0 {
		side.Comment = fmt.Sprintf("%d requests were refused, and %d were done: %s", refused, done, refusal)
	}
	side.Median, side.P50, side.P99, side.CPUPer = median(side.Values), median(p50), median(p99), median(cpu)
	return side
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// relate fills the ratios.
func (r *Row) relate() {
	if len(r.Sides) != 2 {
		return
	}
	over := func(a, b float64) float64 {
		if b == 0 {
			return 0
		}
		return a / b
	}
	a, b := &r.Sides[0], &r.Sides[1]
	r.Ratio, r.P50Ratio, r.CPURatio = over(a.Median, b.Median), over(a.P50, b.P50), over(a.CPUPer, b.CPUPer)
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}
