package security

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// dictionary is what guesses go through; the right one comes late.
func dictionary(right string, at int) []string {
	all := make([]string, at+1)
	for i := range all {
		all[i] = fmt.Sprintf("guess %d", i)
	}
	all[at] = right
	return all
}

// TestPasswordsAreNotGuessed: one after the other, all at once, by every way in; and who
// guesses locks out neither the user, who comes from elsewhere, nor other users.
func TestPasswordsAreNotGuessed(t *testing.T) {
	ways := map[string]func(s *site, c *client, name, password string) (in, throttled bool){
		"a login of v1": func(s *site, _ *client, name, password string) (bool, bool) {
			a, err := s.try(call{method: "POST", target: "/nacos/v1/auth/users/login", form: values("username", name, "password", password)})
			return err == nil && a.Status == http.StatusOK, a.Status == http.StatusServiceUnavailable
		},
		"a login of v3": func(s *site, _ *client, name, password string) (bool, bool) {
			a, err := s.try(call{method: "POST", target: "/nacos/v3/auth/user/login", form: values("username", name, "password", password)})
			return err == nil && a.Status == http.StatusOK, a.Status == http.StatusServiceUnavailable
		},
		"a name and password with every request": func(s *site, _ *client, name, password string) (bool, bool) {
			a, err := s.try(call{method: "GET", target: "/nacos/v3/admin/core/namespace/list", header: map[string]string{"username": name, "password": password}})
			return err == nil && a.Status == http.StatusOK, a.Status == http.StatusServiceUnavailable
		},
		"the console": func(s *site, _ *client, name, password string) (bool, bool) {
			a, err := s.try(call{method: "POST", target: "/console/api/login", json: fmt.Sprintf(`{"name":%q,"password":%q}`, name, password), header: map[string]string{"X-Zensus-Console": "1"}})
			return err == nil && a.Status == http.StatusOK, a.Status == http.StatusTooManyRequests
		},
		"gRPC": func(_ *site, c *client, name, password string) (bool, bool) {
			reply, err := c.askWith(&wire.LockOperationRequest{}, map[string]string{"username": name, "password": password})
			if err != nil {
				return false, false
			}
			code := reply.(wire.Reply).Base().ErrorCode
			return code != wire.AccessDenied.RPCCode() && code != wire.Busy.RPCCode(), code == wire.Busy.RPCCode()
		},
	}
	s := start(t)
	c := s.connect()
	who := 0
	for what, attempt := range ways {
		who++
		name := fmt.Sprintf("ann %d", who)
		s.addUser(name) // who has logged in from this address, and is known here
		var in, throttled, tries atomic.Int64
		var all sync.WaitGroup
		guesses := make(chan string)
		for range 16 {
			all.Go(func() {
				for guess := range guesses {
					ok, busy := attempt(s, c, name, guess)
					tries.Add(1)
					if ok {
						in.Add(1)
					}
					if busy {
						throttled.Add(1)
					}
				}
			})
		}
		for _, guess := range dictionary("password of "+name, 300) {
			guesses <- guess
		}
		close(guesses)
		all.Wait()
		require.Zero(t, in.Load(), "%s: the right password, after hundreds of wrong ones", what)
		require.Greater(t, throttled.Load(), tries.Load()-20, "%s: of %d", what, tries.Load())
		// Others go on meanwhile, from the same address too.
		began := time.Now()
		s.login("root", rootPassword)
		require.Less(t, time.Since(began), 5*time.Second)
	}
	// And many names from one address do not get further than many passwords.
	attempt := ways["a login of v1"]
	for n := 0; ; n++ {
		if _, busy := attempt(s, c, fmt.Sprintf("user %d", n), "nacos"); busy {
			break
		}
		require.Less(t, n, 200)
	}
	require.Equal(t, http.StatusOK, s.do(call{method: "GET", target: "/nacos/v3/auth/user/list", token: s.root}).Status, "who is logged in stays so")
}

// TestNobodyIsToldWhichNamesThereAre: a wrong name and a wrong password are told in the
// same words.
func TestNobodyIsToldWhichNamesThereAre(t *testing.T) {
	s := start(t)
	for _, target := range []string{"/nacos/v1/auth/login", "/nacos/v3/auth/user/login"} {
		known := s.do(call{method: "POST", target: target, form: values("username", "root", "password", "x")})
		unknown := s.do(call{method: "POST", target: target, form: values("username", "nobody", "password", "x")})
		require.Equal(t, http.StatusForbidden, known.Status)
		require.Equal(t, known.Status, unknown.Status)
		require.Equal(t, known.Body, unknown.Body)
	}
}

// TestAddressesInHeadersAreNotBelieved: an attempt counts for where the connection comes
// from, whatever it says about that.
func TestAddressesInHeadersAreNotBelieved(t *testing.T) {
	s := start(t)
	s.addUser("ann")
	for n := range 60 {
		ip := fmt.Sprintf("10.1.2.%d", n)
		a := s.do(call{
			method: "POST", target: "/nacos/v1/auth/login", form: values("username", "ann", "password", "x"),
			header: map[string]string{"X-Forwarded-For": ip, "X-Real-IP": ip, "Forwarded": "for=" + ip, "CF-Connecting-IP": ip},
		})
		if n > 30 {
			require.Equal(t, http.StatusServiceUnavailable, a.Status)
		}
	}
}
