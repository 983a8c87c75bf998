package nacosapi

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

func TestTokensOfMachinesByHTTP(t *testing.T) {
	s := newSite(t, true)
	for _, c := range []struct{ method, target, body string }{
		{"POST", "/v3/auth/token", "name=ci&role=deploy"}, {"DELETE", "/v3/auth/token?name=ci", ""}, {"GET", "/v3/auth/token/list", ""},
	} {
		require.Equal(t, http.StatusForbidden, s.do(c.method, c.target, c.body, "").Code, "%s %s without a login", c.method, c.target)
	}
	w := s.do("POST", "/v3/auth/token", "name=ci&role=deploy&ttlSeconds=3600&description=x", s.token)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	var made struct {
		Data struct {
			Token, Role, CreatedBy string
			CreateTime, ExpireTime int64
		}
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &made))
	require.Equal(t, "deploy", made.Data.Role)
	require.Equal(t, "token:admin", made.Data.CreatedBy)
	require.Equal(t, int64(3600_000), made.Data.ExpireTime-made.Data.CreateTime)

	list := s.do("GET", "/v3/auth/token/list", "", s.token).Body.String()
	require.Contains(t, list, `"name":"ci"`)
	require.NotContains(t, list, made.Data.Token)

	// It may what the role may, which is not to make more of them.
	require.Equal(t, http.StatusForbidden, s.do("POST", "/v3/auth/token", "name=more&role="+auth.AdminRole, made.Data.Token).Code)
	require.Equal(t, http.StatusForbidden, s.do("PUT", "/v3/auth/user", "username=nacos&newPassword=x", made.Data.Token).Code)
	w = s.do("GET", "/v3/auth/user/list?accessToken="+made.Data.Token, "", "")
	require.Contains(t, w.Body.String(), auth.ErrForbidden.Error(), "the identity is known as a parameter too")
	_, err := authorize(t.Context(), s.auth, "1.2.3.4", map[string]string{"accessToken": made.Data.Token}, &wire.ConfigQueryRequest{})
	require.ErrorIs(t, err, auth.ErrForbidden, "the identity is known over gRPC too")
	s.do("POST", "/v3/auth/permission", "role=deploy&resource=dev:*:*&action=r", s.token)
	for name, value := range map[string]string{"accessToken": made.Data.Token, "Authorization": "Bearer " + made.Data.Token} {
		_, err = authorize(t.Context(), s.auth, "1.2.3.4", map[string]string{name: value}, &wire.ConfigQueryRequest{ConfigKey: wire.ConfigKey{Tenant: "dev"}})
		require.NoError(t, err, name)
	}

	require.Equal(t, http.StatusConflict, s.do("POST", "/v3/auth/token", "name=ci&role=deploy", s.token).Code)
	require.Equal(t, http.StatusBadRequest, s.do("POST", "/v3/auth/token", "name=cj&role=deploy&ttlSeconds=1", s.token).Code)
	require.Equal(t, http.StatusBadRequest, s.do("POST", "/v3/auth/token", "name=cj", s.token).Code)
	require.Equal(t, http.StatusOK, s.do("DELETE", "/v3/auth/token?name=ci", "", s.token).Code)
	_, err = authorize(t.Context(), s.auth, "1.2.3.4", map[string]string{"accessToken": made.Data.Token}, &wire.ConfigQueryRequest{ConfigKey: wire.ConfigKey{Tenant: "dev"}})
	require.ErrorIs(t, err, auth.ErrUnauthenticated)
}
