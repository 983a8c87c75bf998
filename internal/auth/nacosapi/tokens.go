package nacosapi

import (
	"context"
	"time"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// tokens are the routes of machines' tokens, which Nacos does not have.
func (a *API) tokens(g *rest.Group) {
	admin := a.guard.Admin()
	g.POST("/token", admin, rest.Handle(a.createToken))
	g.DELETE("/token", admin, rest.Handle(a.revokeToken))
	g.GET("/token/list", admin, rest.Handle(known(a, a.listTokens)))
}

type tokenForm struct {
	Name string `form:"name" binding:"required"`
	Role string `form:"role" binding:"required"`
	Note string `form:"description"`
	// TTL is how many seconds the token is good; absent is a year.
	TTL *int64 `form:"ttlSeconds"`
}

// tokenItem is a token as it is shown. Times are in milliseconds since 1970, 0 for none.
type tokenItem struct {
	Name      string `json:"name"`
	Role      string `json:"role"`
	Note      string `json:"description"`
	CreatedBy string `json:"createdBy"`
	Created   int64  `json:"createTime"`
	Expires   int64  `json:"expireTime"`
	Expired   bool   `json:"expired"`
}

func shownToken(t *auth.Token) tokenItem {
	out := tokenItem{Name: t.Name, Role: t.Role, Note: t.Note, CreatedBy: t.By}
	if !t.Created.IsZero() {
		out.Created = t.Created.UnixMilli()
	}
	if !t.Expires.IsZero() {
		out.Expires, out.Expired = t.Expires.UnixMilli(), !time.Now().Before(t.Expires)
	}
	return out
}

type newToken struct {
	tokenItem
	Token string `json:"token"` // shown this once
}

func (a *API) createToken(ctx context.Context, in tokenForm) (*newToken, error) {
	life := auth.DefaultTokenLife
	if in.TTL != nil {
		if *in.TTL < 1 || *in.TTL > int64(auth.TokenLifeMax/time.Second) {
			return nil, wire.Refuse(wire.ParameterInvalid, "Param 'ttlSeconds' is illegal, it is not between a minute and ten years")
		}
		life = time.Duration(*in.TTL) * time.Second
	}
	made, text, err := a.auth.Directory.CreateToken(ctx, auth.Token{
		Name: in.Name, Role: in.Role, Note: in.Note, By: auth.SubjectOf(ctx).Name,
	}, life)
	if err != nil {
		return nil, err
	}
	return &newToken{shownToken(&made), text}, nil
}

type tokenNameForm struct {
	Name string `form:"name" binding:"required"`
}

func (a *API) revokeToken(ctx context.Context, in tokenNameForm) (bool, error) {
	err := a.auth.Directory.RevokeToken(ctx, in.Name)
	return err == nil, err
}

type tokensForm struct {
	PageNo   int `form:"pageNo,default=1"`
	PageSize int `form:"pageSize,default=100"`
}

func (a *API) listTokens(_ context.Context, in tokensForm) (rest.Page[tokenItem], error) {
	all := a.auth.Directory.Tokens()
	items := make([]tokenItem, len(all))
	for i := range all {
		items[i] = shownToken(&all[i])
	}
	return rest.PageOf(items, in.PageNo, in.PageSize), nil
}
