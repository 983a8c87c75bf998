package nacosapi

import (
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/internal/nacos/rest"
)

// itemV1 is a config in v1 and v2.
type itemV1 struct {
	ID               string  `json:"id"`
	DataID           string  `json:"dataId"`
	Group            string  `json:"group"`
	Content          *string `json:"content"`
	MD5              *string `json:"md5"`
	EncryptedDataKey *string `json:"encryptedDataKey"`
	Tenant           string  `json:"tenant"`
	AppName          string  `json:"appName"`
	Type             string  `json:"type"`
}

// namedV1 has what every list says of a config; what some do not say is null.
func namedV1(it *configcenter.Item, tenant string) itemV1 {
	return itemV1{
		ID: idText(it), DataID: it.Key.DataID, Group: it.Key.Group, Tenant: tenant, AppName: it.AppName, Type: it.Type,
	}
}

// foundV1 is a config that a search found; how it searched decides what is said of it.
func foundV1(in *searchParams) func(it *configcenter.Item) itemV1 {
	return func(it *configcenter.Item) itemV1 {
		v := namedV1(it, in.Tenant)
		v.Content = &it.Content
		if in.blur() {
			v.EncryptedDataKey = &it.EncryptedDataKey
		}
		return v
	}
}

// said is what somebody said, null if nobody did.
func said(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// keptV1 is a config of a namespace, in the list of those whose history can be looked at.
type keptV1 struct {
	itemV1
	LastModified int64 `json:"lastModified"`
}

func keptOfV1(items []*configcenter.Item, tenant string) []keptV1 {
	out := make([]keptV1, len(items))
	for i, it := range items {
		out[i] = keptV1{namedV1(it, tenant), it.Modified}
	}
	return out
}

// itemDetailV1 is everything about a config.
type itemDetailV1 struct {
	itemV1
	aboutV1
}

// aboutV1 is what is said about a config beside its content.
type aboutV1 struct {
	CreateTime int64   `json:"createTime"`
	ModifyTime int64   `json:"modifyTime"`
	CreateUser *string `json:"createUser"`
	CreateIP   string  `json:"createIp"`
	Desc       *string `json:"desc"`
	Use        *string `json:"use"`
	Effect     *string `json:"effect"`
	Schema     *string `json:"schema"`
	ConfigTags *string `json:"configTags"`
}

func aboutOfV1(it *configcenter.Item) aboutV1 {
	return aboutV1{
		CreateTime: it.Created, ModifyTime: it.Modified, CreateUser: said(it.CreatedBy.User), CreateIP: it.CreatedBy.IP,
		Desc: said(it.Desc), Use: said(it.Use), Effect: said(it.Effect), Schema: said(it.Schema), ConfigTags: said(it.Tags),
	}
}

func detailV1(it *configcenter.Item, tenant string) itemDetailV1 {
	d := itemDetailV1{namedV1(it, tenant), aboutOfV1(it)}
	d.Content, d.MD5, d.EncryptedDataKey = &it.Content, &it.MD5, &it.EncryptedDataKey
	return d
}

// changeV1 is a change in v1 and v2.
type changeV1 struct {
	ID               string  `json:"id"`
	LastID           int     `json:"lastId"`
	DataID           string  `json:"dataId"`
	Group            string  `json:"group"`
	Tenant           string  `json:"tenant"`
	AppName          string  `json:"appName"`
	SrcIP            string  `json:"srcIp"`
	SrcUser          *string `json:"srcUser"`
	OpType           string  `json:"opType"`
	PublishType      string  `json:"publishType"`
	GrayName         string  `json:"grayName"`
	CreatedTime      string  `json:"createdTime"`
	LastModifiedTime string  `json:"lastModifiedTime"`
}

// historyItemV1 is a change with what it replaced. In lists content, md5 and key are null.
type historyItemV1 struct {
	changeV1
	MD5              *string `json:"md5"`
	Content          *string `json:"content"`
	ExtInfo          string  `json:"extInfo"`
	EncryptedDataKey *string `json:"encryptedDataKey"`
}

// isoTime is how v1 and v2 write a time.
const isoTime = "2006-01-02T15:04:05.000-07:00"

// createdTimeV1 is what Nacos shows of every history item.
const createdTimeV1 = "2010-05-05T00:00:00.000+00:00"

func changeOfV1(v *configcenter.Version, tenant string) changeV1 {
	return changeV1{
		ID: seqText(v.Seq), LastID: noLastID, DataID: v.Key.DataID, Group: v.Key.Group, Tenant: tenant, AppName: v.Replaced().AppName,
		SrcIP: v.Origin.IP, SrcUser: said(v.Origin.User), OpType: paddedOp(v.Op), PublishType: publishType(&v.Entry), GrayName: v.Gray,
		CreatedTime: createdTimeV1, LastModifiedTime: time.UnixMilli(v.Time).UTC().Format(isoTime),
	}
}

func entryV1(v *configcenter.Version, tenant string) historyItemV1 {
	return historyItemV1{changeV1: changeOfV1(v, tenant), ExtInfo: extInfo(v.Replaced())}
}

// versionV1 is one change with content: nothing at all if there is none.
func versionV1(v *configcenter.Version, tenant string) any {
	if v == nil {
		return rest.Written("")
	}
	return versionItemV1(v, tenant)
}

// versionItemV1 shows, as Nacos does, the content that the change replaced.
func versionItemV1(v *configcenter.Version, tenant string) *historyItemV1 {
	item := entryV1(v, tenant)
	was := v.Replaced()
	item.MD5, item.Content, item.EncryptedDataKey = &was.MD5, &was.Content, &was.EncryptedDataKey
	return &item
}
