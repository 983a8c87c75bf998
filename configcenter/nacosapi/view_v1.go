package nacosapi

import (
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/internal/nacos/rest"
)

// itemV1 is a config in a list of v1 and v2.
type itemV1 struct {
	ID               string `json:"id"`
	DataID           string `json:"dataId"`
	Group            string `json:"group"`
	Content          string `json:"content"`
	MD5              string `json:"md5"`
	EncryptedDataKey string `json:"encryptedDataKey"`
	Tenant           string `json:"tenant"`
	AppName          string `json:"appName"`
	Type             string `json:"type"`
}

func listedV1(it *configcenter.Item, tenant string) itemV1 {
	return itemV1{
		ID: idText(it), DataID: it.Key.DataID, Group: it.Key.Group, Content: it.Content, MD5: it.MD5,
		EncryptedDataKey: it.EncryptedDataKey, Tenant: tenant, AppName: it.AppName, Type: it.Type,
	}
}

// itemDetailV1 is everything about a config.
type itemDetailV1 struct {
	itemV1
	CreateTime int64  `json:"createTime"`
	ModifyTime int64  `json:"modifyTime"`
	CreateUser string `json:"createUser"`
	CreateIP   string `json:"createIp"`
	Desc       string `json:"desc"`
	Use        string `json:"use"`
	Effect     string `json:"effect"`
	Schema     string `json:"schema"`
	ConfigTags string `json:"configTags"`
}

func detailV1(it *configcenter.Item, tenant string) itemDetailV1 {
	return itemDetailV1{
		itemV1: listedV1(it, tenant), CreateTime: it.Created, ModifyTime: it.Modified,
		CreateUser: it.CreatedBy.User, CreateIP: it.CreatedBy.IP,
		Desc: it.Desc, Use: it.Use, Effect: it.Effect, Schema: it.Schema, ConfigTags: it.Tags,
	}
}

// historyItemV1 is a change in v1 and v2. In lists content and md5 are null.
type historyItemV1 struct {
	ID               string  `json:"id"`
	LastID           int     `json:"lastId"`
	DataID           string  `json:"dataId"`
	Group            string  `json:"group"`
	Tenant           string  `json:"tenant"`
	AppName          string  `json:"appName"`
	MD5              *string `json:"md5"`
	Content          *string `json:"content"`
	SrcIP            string  `json:"srcIp"`
	SrcUser          string  `json:"srcUser"`
	OpType           string  `json:"opType"`
	PublishType      string  `json:"publishType"`
	GrayName         string  `json:"grayName"`
	ExtInfo          string  `json:"extInfo"`
	CreatedTime      string  `json:"createdTime"`
	LastModifiedTime string  `json:"lastModifiedTime"`
	EncryptedDataKey string  `json:"encryptedDataKey"`
}

// isoTime is how v1 and v2 write a time.
const isoTime = "2006-01-02T15:04:05.000-07:00"

// createdTimeV1 is what Nacos shows of every history item.
const createdTimeV1 = "2010-05-05T00:00:00.000+00:00"

func entryV1(e *configcenter.Entry, tenant string) historyItemV1 {
	return historyItemV1{
		ID: seqText(e.Seq), LastID: noLastID, DataID: e.Key.DataID, Group: e.Key.Group, Tenant: tenant, AppName: e.AppName,
		SrcIP: e.Origin.IP, SrcUser: e.Origin.User, OpType: paddedOp(e.Op), PublishType: publishType(e), GrayName: e.Gray,
		ExtInfo: extInfo(e), CreatedTime: createdTimeV1,
		LastModifiedTime: time.UnixMilli(e.Time).UTC().Format(isoTime), EncryptedDataKey: e.EncryptedDataKey,
	}
}

// versionV1 is one change with content: nothing at all if there is none.
func versionV1(v *configcenter.Version, tenant string) any {
	if v == nil {
		return rest.Text("")
	}
	return versionItemV1(v, tenant)
}

// versionItemV1 shows, as Nacos does, the content that the change replaced.
func versionItemV1(v *configcenter.Version, tenant string) *historyItemV1 {
	item := entryV1(&v.Entry, tenant)
	was := v.Replaced()
	item.MD5, item.Content, item.EncryptedDataKey = &was.MD5, &was.Content, was.EncryptedDataKey
	item.AppName, item.ExtInfo = was.AppName, extInfo(was)
	return &item
}
