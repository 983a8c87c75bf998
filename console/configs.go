package console

import (
	"context"
	"fmt"
	"unicode/utf8"
)

type configListQuery struct {
	pageQuery
	Namespace string `form:"namespace"`
	Group     string `form:"group"`
	DataID    string `form:"dataId"`
}

type configQuery struct {
	Namespace string `form:"namespace"`
	Group     string `form:"group" binding:"required"`
	DataID    string `form:"dataId" binding:"required"`
}

type configDeleteQuery struct {
	configQuery
	MD5 string `form:"md5" binding:"required"`
}

type publishBody struct {
	ConfigKey
	Content     string   `json:"content"`
	Type        string   `json:"type"`
	App         string   `json:"app"`
	Description string   `json:"description"`
	Tags        []string `json:"tags"`
	ExpectMD5   string   `json:"expectMd5"`
}

// configView is a config as the editor gets it.
type configView struct {
	ConfigKey
	Config
	Binary bool `json:"binary"` // not UTF-8: Content is left out
}

func (q configQuery) key() ConfigKey {
	return ConfigKey(q)
}

func (k ConfigKey) access(write bool) Access {
	return Access{Write: write, Kind: AccessConfig, Namespace: k.Namespace, Group: k.Group, Name: k.DataID}
}

func (c *Console) listConfigs(ctx context.Context, who Actor, in configListQuery) (any, error) {
	if c.configs == nil {
		return nil, fmt.Errorf("configs: %w", ErrAbsent)
	}
	p, err := in.page()
	if err != nil {
		return nil, err
	}
	if err := c.allow(ctx, who, Access{Kind: AccessConfig, Namespace: in.Namespace}); err != nil {
		return nil, err
	}
	out, err := c.configs.List(ctx, ConfigQuery{Namespace: in.Namespace, Group: in.Group, DataID: in.DataID, Page: p})
	out.Items = orEmpty(out.Items)
	for i := range out.Items {
		out.Items[i].Tags = orEmpty(out.Items[i].Tags)
	}
	return out, err
}

func (c *Console) getConfig(ctx context.Context, who Actor, in configQuery) (any, error) {
	if c.configs == nil {
		return nil, fmt.Errorf("configs: %w", ErrAbsent)
	}
	if err := c.allow(ctx, who, in.key().access(false)); err != nil {
		return nil, err
	}
	got, err := c.configs.Get(ctx, in.key())
	if err != nil {
		return nil, err
	}
	return viewConfig(in.key(), got), nil
}

func viewConfig(key ConfigKey, got Config) configView {
	got.Tags = orEmpty(got.Tags)
	view := configView{ConfigKey: key, Config: got}
	if !utf8.ValidString(got.Content) {
		view.Binary, view.Content = true, "" // JSON would replace the bytes, and a publish would then destroy them
	}
	return view
}

func (c *Console) publishConfig(ctx context.Context, who Actor, in publishBody) (any, error) {
	if c.configs == nil {
		return nil, fmt.Errorf("configs: %w", ErrAbsent)
	}
	if in.Group == "" || in.DataID == "" {
		return nil, fmt.Errorf("config: %w: group and dataId must name one", ErrInvalid)
	}
	if err := c.allow(ctx, who, in.access(true)); err != nil {
		return nil, err
	}
	got, err := c.configs.Publish(ctx, who, ConfigPublish{
		Key: in.ConfigKey, Content: in.Content, Type: in.Type, App: in.App,
		Description: in.Description, Tags: in.Tags, ExpectMD5: in.ExpectMD5,
	})
	if err != nil {
		return nil, err
	}
	return viewConfig(in.ConfigKey, got), nil
}

func (c *Console) deleteConfig(ctx context.Context, who Actor, in configDeleteQuery) (any, error) {
	if c.configs == nil {
		return nil, fmt.Errorf("configs: %w", ErrAbsent)
	}
	if err := c.allow(ctx, who, in.key().access(true)); err != nil {
		return nil, err
	}
	return struct{}{}, c.configs.Delete(ctx, who, in.key(), in.MD5)
}
