module github.com/zensus-io/zensus

go 1.26.0
