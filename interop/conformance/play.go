package conformance

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// target is a server that scripts are played against.
type target struct {
	http    string // of v1, v2 and v3, with the context path
	console string // of v3/console
	grpc    string
	client  http.Client
	// patience is how long the right answer is waited for; 0 is untilTime.
	patience time.Duration
}

// stepError says at which step a script came to its end.
type stepError struct {
	step int
	err  error
}

func (e *stepError) Error() string { return e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// player plays one script.
type player struct {
	*target
	saved map[string]string
	files map[string][]byte
	conns map[string]*conn
	later map[string]chan late
}

// late is the answer to a request that other steps did not wait for.
type late struct {
	answer *answer
	err    error
}

func (t *target) newPlayer() *player {
	return &player{
		target: t, saved: map[string]string{}, files: map[string][]byte{}, conns: map[string]*conn{}, later: map[string]chan late{},
	}
}

func (p *player) close() {
	for _, c := range p.conns {
		c.close()
	}
}

// headers are those whose values are compared.
var headers = []string{
	"Content-Md5", "Config-Type", "Encrypted-Data-Key", "Isbeta", "Tag", "Vipserver-Tag",
	"Probe-Modify-Response", "Probe-Modify-Response-New", "Content-Disposition", "Allow",
}

// do does a step once.
func (p *player) do(ctx context.Context, s *step) (*answer, error) {
	if s.method == "await" {
		return p.await(ctx, s)
	}
	if !s.http() {
		return p.doGRPC(ctx, s)
	}
	req, err := p.request(ctx, s)
	if err != nil {
		return nil, err
	}
	if s.later != "" {
		p.begin(ctx, s, req)
		return nil, nil
	}
	return p.answer(s, req)
}

// begin makes a request whose answer is awaited by a later step.
func (p *player) begin(ctx context.Context, s *step, req *http.Request) {
	done := make(chan late, 1)
	p.later[s.later] = done
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
	go func() {
		defer cancel()
		a, err := p.answer(s, req.WithContext(ctx))
		done <- late{a, err}
	}()
}

func (p *player) await(ctx context.Context, s *step) (*answer, error) {
	select {
	case l := <-p.later[s.path]:
		return l.answer, l.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%q is not answered, or was not asked", s.path)
	}
}

// answer makes a request and reads the answer.
func (p *player) answer(s *step, req *http.Request) (*answer, error) {
	res, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	a := &answer{Status: res.StatusCode, Type: media}
	for _, h := range headers {
		if v := res.Header.Get(h); v != "" {
			if a.Header == nil {
				a.Header = map[string]string{}
			}
			if h == "Allow" { // in any order
				methods := strings.Split(v, ", ")
				slices.Sort(methods)
				v = strings.Join(methods, ", ")
			}
			a.Header[h] = maskText(v, s.masks)
		}
	}
	v, ok := decode(b)
	if ok && s.with != "" {
		v = filtered(v, s.with)
	}
	if !ok {
		a.Body = maskText(string(b), s.masks)
		if strings.Contains(media, "octet-stream") || strings.Contains(media, "zip") {
			a.Body, err = zipped(b)
		}
	}
	for _, save := range s.saves {
		if save[1] == "file" {
			p.files[save[0]] = b
		} else if !p.save(save, v) {
			return nil, fmt.Errorf("the answer has no %s: %s", save[1], b)
		}
	}
	if ok {
		a.Body = mask(v, s)
	}
	return a, err
}

func (p *player) save(save [2]string, v any) (ok bool) {
	p.saved[save[0]], ok = part(v, save[1])
	return ok
}

// fill puts in what was saved.
func (p *player) fill(s string) string {
	for k, v := range p.saved {
		s = strings.ReplaceAll(s, "$"+k, v)
	}
	return s
}

func (p *player) request(ctx context.Context, s *step) (*http.Request, error) {
	base := p.http
	if strings.HasPrefix(s.path, "/v3/console") {
		base = p.console
	}
	values := url.Values{}
	for _, kv := range s.params {
		values.Add(kv[0], p.fill(kv[1]))
	}
	var body io.Reader
	media := ""
	switch {
	case s.upload != "" || len(s.entries) > 0:
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		content, err := p.files[s.upload], error(nil)
		if len(s.entries) > 0 {
			content, err = archive(s.entries)
		}
		if err != nil {
			return nil, err
		}
		f, err := w.CreateFormFile("file", "configs.zip")
		if err == nil {
			_, err = f.Write(content)
		}
		if err != nil || w.Close() != nil {
			return nil, fmt.Errorf("upload: %w", err)
		}
		body, media = &b, w.FormDataContentType()
	case s.json != "":
		body, media = strings.NewReader(p.fill(s.json)), "application/json"
	case s.form:
		body, media = strings.NewReader(values.Encode()), "application/x-www-form-urlencoded"
		values = nil
	}
	at := base + p.fill(s.path)
	if len(values) > 0 {
		at += "?" + values.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, s.method, at, body)
	if err != nil {
		return nil, err
	}
	for k, v := range s.header {
		req.Header[k] = v
	}
	if media != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", media)
	}
	return req, nil
}

// stepTime bounds one step, toldTime one that waits for a push, and untilTime how long
// the right answer is waited for.
const (
	stepTime  = 45 * time.Second
	toldTime  = 15 * time.Second
	untilTime = 8 * time.Second
)

// settle is how long a server that is recorded is given to come to rest before a step
// whose answer is not there at once.
const settle = 2500 * time.Millisecond

// play plays a script; what each step is answered goes to got. A step whose answer comes
// late is asked again until it is the one wanted, where that is known; and a push that is
// not the one wanted is passed over, since one change may be pushed twice, or two at once.
func (t *target) play(s *script, wanted func(i int, a *answer) bool, got func(i int, a *answer)) error {
	p := t.newPlayer()
	defer p.close()
	for i := range s.steps {
		st := &s.steps[i]
		if st.method == "wait" || st.method == "settle" {
			if st.method == "wait" || wanted == nil {
				time.Sleep(st.wait)
			}
			continue
		}
		if st.until && wanted == nil {
			time.Sleep(settle)
		}
		within := stepTime
		if st.method == "told" {
			within = cmp.Or(t.patience, toldTime)
		}
		a, err := p.once(st, within)
		again := wanted != nil && (st.until || st.method == "told")
		for end := time.Now().Add(cmp.Or(t.patience, untilTime)); again && err == nil && !wanted(i, a) && time.Now().Before(end); {
			if st.until {
				time.Sleep(50 * time.Millisecond)
			}
			next, none := p.once(st, time.Until(end))
			if none != nil {
				break // the last answer is shown
			}
			a = next
		}
		if err != nil {
			return &stepError{i, fmt.Errorf("%s.txt:%d: %s: %w", s.name, st.line, st.ask, err)}
		}
		if st.answered() {
			got(i, a)
		}
	}
	return nil
}

func (p *player) once(s *step, within time.Duration) (*answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return p.do(ctx, s)
}
