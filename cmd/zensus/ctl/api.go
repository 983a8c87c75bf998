package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// api speaks to a server's HTTP port.
type api struct {
	base  string // without a slash at its end
	token string
	http  http.Client
}

// answerBytesMax bounds an answer.
const answerBytesMax = 16 << 20

func newAPI(server string, timeout time.Duration) (*api, error) {
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("--server: %w", err)
	}
	if u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--server: %q is no address of an HTTP port", server)
	}
	return &api{base: strings.TrimRight(u.Scheme+"://"+u.Host+u.Path, "/"), http: http.Client{Timeout: timeout}}, nil
}

// call sends a form to Nacos's interface, version 3, and decodes the data of the
// answer into out, which may be nil.
func (a *api) call(ctx context.Context, method, path string, form url.Values, out any) error {
	target, body := a.base+"/nacos"+path, ""
	if method == http.MethodGet || method == http.MethodDelete {
		target += "?" + form.Encode()
	} else {
		body = form.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return a.send(req, out)
}

// bootstrap makes the first administrator with the admin token.
func (a *api) bootstrap(ctx context.Context, name, password string) error {
	body, err := json.Marshal(map[string]string{"token": a.token, "name": name, "password": password})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/console/api/bootstrap", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Zensus-Console", "zensus user")
	return a.send(req, nil)
}

// refusedLogin is what Nacos says to a wrong name and to a wrong password.
const refusedLogin = "unknown user!"

// login takes a token for a name and password.
func (a *api) login(ctx context.Context, name, password string) error {
	body := url.Values{"username": {name}, "password": {password}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/nacos/v3/auth/user/login", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, answer, err := a.do(req)
	if err != nil {
		return err
	}
	var got struct {
		AccessToken string `json:"accessToken"`
	}
	if status != http.StatusOK || json.Unmarshal(answer, &got) != nil || got.AccessToken == "" {
		words := reason(status, answer)
		if status == http.StatusForbidden && words == refusedLogin {
			words = "wrong name or password"
		}
		return fmt.Errorf("login as %s: %s", name, words)
	}
	a.token = got.AccessToken
	return nil
}

// authOff reports whether the server says that it requires no logins. One that starts says
// nothing yet, which is an error; any other that does not say is asked no further.
func (a *api) authOff(ctx context.Context) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+"/nacos/v1/console/server/state", http.NoBody)
	if err != nil {
		return false, err
	}
	status, answer, err := a.do(req)
	switch {
	case err != nil:
		return false, err
	case status == http.StatusServiceUnavailable:
		return false, fmt.Errorf("%s: this server starts, and knows nothing yet. A member of an ensemble waits for a quorum, at the first start for all voters: "+
			"its log names those that it is linked with and those that it misses, as /metrics does (zensus_zab_linked)", a.base)
	case status != http.StatusOK:
		return false, nil
	}
	var state struct {
		AuthEnabled string `json:"auth_enabled"`
	}
	return json.Unmarshal(answer, &state) == nil && state.AuthEnabled == "false", nil
}

func (a *api) do(req *http.Request) (status int, answer []byte, err error) {
	res, err := a.http.Do(req)
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) {
			err = outer.Err // without the URL, which may hold names
		}
		return 0, nil, fmt.Errorf("%s: %w%s", a.base, err, hint(err))
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(res.Body, answerBytesMax))
	return res.StatusCode, answer, err
}

// hint is what most probably is wrong where nothing answers; empty if nobody can say.
func hint(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return " (no server has this port open: --server names that of another; under a zoo.cfg there is none but that of zensus.listen.http)"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return " (it hung up, as a port that speaks no HTTP does)"
	}
	return ""
}

// cluster asks about the ensemble, and decodes the whole answer.
func (a *api) cluster(ctx context.Context, method, path string, form url.Values, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path+"?"+form.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("X-Zensus-Cluster", "zensus cluster")
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	status, answer, err := a.do(req)
	switch {
	case err != nil:
		return err
	case status != http.StatusOK:
		return errors.New(reason(status, answer))
	case json.Unmarshal(answer, out) != nil:
		return fmt.Errorf("%s: the answer is not that of a Zensus server", a.base)
	}
	return nil
}

func (a *api) send(req *http.Request, out any) error {
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	status, answer, err := a.do(req)
	if err != nil {
		return err
	}
	var envelope struct {
		Code json.RawMessage `json:"code"`
		Data json.RawMessage `json:"data"`
	}
	bad := json.Unmarshal(answer, &envelope) != nil
	if status != http.StatusOK || !bad && len(envelope.Code) > 0 && string(envelope.Code) != "0" {
		return errors.New(reason(status, answer))
	}
	if out == nil {
		return nil
	}
	if bad {
		return fmt.Errorf("%s: the answer is not Nacos's", a.base)
	}
	return json.Unmarshal(envelope.Data, out)
}

// reason finds the words of a refusal, whichever of its forms the server chose.
func reason(status int, answer []byte) string {
	var form struct {
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
		Error   json.RawMessage `json:"error"`
	}
	if json.Unmarshal(answer, &form) == nil {
		var words string
		if json.Unmarshal(form.Data, &words) == nil && words != "" {
			return words
		}
		if form.Message != "" {
			return form.Message
		}
		if json.Unmarshal(form.Error, &words) == nil && words != "" {
			return words
		}
	}
	if words := strings.TrimSpace(string(answer)); words != "" && len(words) < 200 && !strings.Contains(words, "<") {
		return words
	}
	return fmt.Sprintf("status %d (%s)", status, http.StatusText(status))
}
