package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Login is a TokenFunc that logs in by name and password over HTTP. The base
// addresses are those of the servers, such as http://10.0.0.1:8848; they are
// tried in order. credentials is called for every login, so a password may
// change while the program runs. A nil client is one with a timeout of 5 s.
func Login(client *http.Client, bases []string, credentials func(context.Context) (user, password string, err error)) TokenFunc {
	if client == nil {
		client = &http.Client{Timeout: 5 * time.Second}
	}
	return func(ctx context.Context) (string, time.Time, error) {
		user, password, err := credentials(ctx)
		if err != nil {
			return "", time.Time{}, err
		}
		err = errors.New("no address to log in at")
		for _, base := range bases {
			var token string
			var until time.Time
			if token, until, err = login(ctx, client, base, user, password); err == nil {
				return token, until, nil
			}
		}
		return "", time.Time{}, fmt.Errorf("zensus: login: %w", err)
	}
}

func login(ctx context.Context, client *http.Client, base, user, password string) (string, time.Time, error) {
	form := url.Values{"username": {user}, "password": {password}}
	target := strings.TrimSuffix(base, "/") + "/nacos/v1/auth/login"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return "", time.Time{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	asked := time.Now()
	res, err := client.Do(r)
	if err != nil {
		return "", time.Time{}, err
	}
	defer res.Body.Close()
	const answerMax = 64 << 10
	body, err := io.ReadAll(io.LimitReader(res.Body, answerMax))
	if err != nil {
		return "", time.Time{}, err
	}
	if res.StatusCode != http.StatusOK {
		return "", time.Time{}, fmt.Errorf("%s answers %s", base, res.Status)
	}
	var answer struct {
		AccessToken string `json:"accessToken"`
		TokenTTL    int64  `json:"tokenTtl"` // seconds
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", time.Time{}, fmt.Errorf("%s: %w", base, err)
	}
	if answer.AccessToken == "" {
		return "", time.Time{}, fmt.Errorf("%s gives no token", base)
	}
	if answer.TokenTTL <= 0 {
		return answer.AccessToken, time.Time{}, nil
	}
	// Renewed at nine tenths of its time, so that it never runs out in between.
	return answer.AccessToken, asked.Add(time.Duration(min(answer.TokenTTL, 1<<30)) * time.Second * 9 / 10), nil
}
