module github.com/zensus-io/zensus/interop

go 1.26.0

require (
	github.com/go-zookeeper/zk v1.0.4
	github.com/stretchr/testify v1.12.1
	github.com/zensus-io/zensus v0.0.0
)

require go.yaml.in/yaml/v3 v3.0.6 // indirect

replace github.com/zensus-io/zensus => ../
