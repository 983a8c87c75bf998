package nacosapi

import (
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// What has a content says how large it is before it is encoded: see rest.Weigher.

func (v *itemV1) Weigh() int64        { return rest.WeighText(wire.Text(v.Content)) }
func (v *historyItemV1) Weigh() int64 { return rest.WeighText(wire.Text(v.Content)) }
func (d *historyDetail) Weigh() int64 {
	return rest.WeighText(d.OriginalContent, wire.Text(d.UpdatedContent))
}
func (d *historyDetailV3) Weigh() int64 { return rest.WeighText(d.Content) }
func (d *detailV3) Weigh() int64        { return rest.WeighText(d.Content) }
func (v *betaV3) Weigh() int64          { return rest.WeighText(v.Content) }
