package nacosapi

import (
	"cmp"
	"encoding/json"
	"strconv"

	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/registry"
)

// checkBeat refuses what cannot be a name in the description of a full beat.
var checkBeat = rest.Check(func(in struct {
	Beat string `form:"beat"`
},
) error {
	var info beatInfo
	if in.Beat == "" || json.Unmarshal([]byte(in.Beat), &info) != nil {
		return nil
	}
	return checkAddress(info.Cluster, info.IP, info.Port)
})

// checkItems does it for those instances whose metadata are to be changed.
var checkItems = rest.Check(func(in struct {
	Instances string `form:"instances"`
},
) error {
	var items []batchItem
	if in.Instances == "" || json.Unmarshal([]byte(in.Instances), &items) != nil {
		return nil
	}
	for _, item := range items {
		if err := checkAddress(item.ClusterName, item.IP, item.Port.or(0)); err != nil {
			return err
		}
	}
	return nil
})

func checkAddress(cluster, ip string, port int) error {
	if err := registry.ValidateClusterName(cmp.Or(cluster, registry.DefaultCluster)); err != nil {
		return err
	}
	if err := registry.ValidateIP(ip); err != nil {
		return err
	}
	_, err := registry.ParsePort(strconv.Itoa(port))
	return err
}
